// Records what a real vLLM answers, byte by byte, into samples/*.json: what the simulator is built from, and what the
// contract suite holds every engine to.   node bin/run.mjs test/contract/record-samples.ts [plain|main|routes|tools|embed|death]
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { ask } from './ask.ts'
import type { Answer } from './ask.ts'
import { vllm } from './implementations.ts'
import type { ContractEngine, ContractOptions } from './implementations.ts'
import {
  base,
  chat,
  completion,
  embedOptions,
  fixtures,
  good,
  load,
  mainOptions,
  plainOptions,
  samplesFolder,
  toolOptions,
} from './sample-requests.ts'
import { embeddings, routes, tools } from './route-tables.ts'
import {
  beforeLoads,
  chats,
  completions,
  dangerous,
  errors,
  loads,
  plainFlags,
} from './sample-tables.ts'
import type { Ask } from './sample-requests.ts'

interface Sample {
  readonly name: string
  readonly request: Ask
  readonly response: Answer | { readonly failed: string; readonly ms: number }
}

async function take(engine: ContractEngine, name: string, what: Ask): Promise<Sample> {
  const started = performance.now()
  const response = await ask(engine, what).catch((error: unknown) => ({
    failed: String((error as { code?: string }).code ?? error),
    ms: Math.round(performance.now() - started),
  }))
  const words = 'status' in response ? response.status : response.failed
  process.stderr.write(`${String(words)} ${String(response.ms).padStart(5)} ms  ${name}\n`)
  return { name, request: what, response }
}

async function save(file: string, recorded: readonly Sample[]): Promise<void> {
  const text = JSON.stringify(recorded, undefined, 2).replaceAll(fixtures, '/fixtures')
  await writeFile(join(samplesFolder, `${file}.json`), `${text}\n`)
}

async function record(
  engine: ContractEngine,
  file: string,
  asks: Readonly<Record<string, Ask>>,
): Promise<void> {
  const recorded: Sample[] = []
  for (const [name, what] of Object.entries(asks)) {
    recorded.push(await take(engine, name, what))
  }
  await save(file, recorded)
}

async function withEngine(
  options: ContractOptions,
  use: (engine: ContractEngine) => Promise<void>,
): Promise<void> {
  const started = Date.now()
  const engine = await vllm.start(options)
  process.stderr.write(`ready after ${Date.now() - started} ms\n`)
  try {
    await use(engine)
  } finally {
    await engine.stop()
  }
}

async function recordMain(engine: ContractEngine): Promise<void> {
  await record(engine, 'before-loads', beforeLoads)
  await record(engine, 'loads', loads)
  await record(engine, 'chat', chats)
  await record(engine, 'completions-and-others', completions)
  await record(engine, 'errors', errors)
  await record(engine, 'routes', routes)
  const busy = ['globex', 'acme', 'initech', 'more'].map((name) =>
    take(engine, `busy ${name}`, completion(name, { max_tokens: 300 })),
  )
  await delay(500)
  await record(engine, 'metrics-busy', {
    'metrics, four adapters on two slots': { path: '/metrics' },
  })
  await Promise.all(busy)
  await record(engine, 'dangerous', dangerous)
  await record(engine, 'metrics-after', { 'metrics, after': { path: '/metrics' } })
  await recordDrain(engine)
}

/** SIGTERM with `--shutdown-timeout 5` while a stream of some ten seconds runs. */
async function recordDrain(engine: ContractEngine): Promise<void> {
  const started = performance.now()
  const long = { max_tokens: 450, stream: true }
  const stream = take(engine, 'a stream that began before the drain', completion(base, long))
  await delay(1_000)
  engine.terminate()
  await delay(300)
  const others: readonly (readonly [string, Ask])[] = [
    ['health while draining', { path: '/health' }],
    ['models while draining', { path: '/v1/models' }],
    ['chat while draining', chat(base, { max_tokens: 2 })],
    ['chat stream while draining', chat(base, { max_tokens: 2, stream: true })],
    ['load while draining', load('late', join(fixtures, 'adapters', 'acme-tickets'))],
  ]
  const asked = await Promise.all(others.map(([name, what]) => take(engine, name, what)))
  const cut = await stream
  await engine.ended
  process.stderr.write(`ended ${Math.round(performance.now() - started)} ms after the start\n`)
  await save('drain', [cut, ...asked])
}

/** The files of an adapter that fell out of the host cache are gone: the next request for it kills the engine. */
async function recordDeath(engine: ContractEngine): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'adapters-'))
  cpSync(join(fixtures, 'adapters'), folder, { recursive: true })
  try {
    const asked: Sample[] = []
    for (const name of ['acme-tickets', 'globex-shout', 'initech-initials']) {
      asked.push(await take(engine, `load ${name}`, load(name, join(folder, name))))
    }
    asked.push(await take(engine, 'evicted, read again', completion('acme-tickets')))
    asked.push(await take(engine, 'globex', completion('globex-shout')))
    asked.push(await take(engine, 'initech', completion('initech-initials')))
    rmSync(join(folder, 'acme-tickets'), { recursive: true })
    const long = { max_tokens: 400 }
    // The base repeats it: these two routes know no ignore_eos.
    const longTalk = 'say this again '.repeat(16)
    const bystanders = [
      take(engine, 'a stream beside it', completion(base, { ...long, stream: true })),
      take(engine, 'a chat stream beside it', chat(base, { ...long, stream: true })),
      take(engine, 'a completion beside it', completion(base, long)),
      take(engine, 'a messages stream beside it', {
        path: '/v1/messages',
        body: {
          model: base,
          messages: [{ role: 'user', content: longTalk }],
          max_tokens: 250,
          stream: true,
        },
      }),
      take(engine, 'a responses stream beside it', {
        path: '/v1/responses',
        body: { model: base, input: longTalk, max_output_tokens: 250, stream: true },
      }),
    ]
    await delay(500)
    const struck = performance.now()
    const killer = take(engine, 'the request that kills it', completion('acme-tickets'))
    asked.push(await killer)
    asked.push(await take(engine, 'health of a dead engine', { path: '/health' }))
    asked.push(await take(engine, 'models of a dead engine', { path: '/v1/models' }))
    asked.push(await take(engine, 'chat with a dead engine', chat(base)))
    asked.push(await take(engine, 'metrics of a dead engine', { path: '/metrics' }))
    asked.push(...(await Promise.all(bystanders)))
    await engine.ended
    process.stderr.write(`ended ${Math.round(performance.now() - struck)} ms after the strike\n`)
    await save('death', JSON.parse(JSON.stringify(asked).replaceAll(folder, '/adapters')))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

await mkdir(samplesFolder, { recursive: true })
const only = process.argv[2]
if (only === undefined || only === 'main') {
  await withEngine(mainOptions, recordMain)
}
if (only === 'routes') {
  await withEngine(mainOptions, async (engine) => {
    await ask(engine, load('globex', good('globex-shout')))
    await record(engine, 'routes', routes)
  })
}
if (only === undefined || only === 'tools') {
  await withEngine(toolOptions, (engine) => record(engine, 'tools', tools))
}
if (only === undefined || only === 'embed') {
  await withEngine(embedOptions, (engine) => record(engine, 'embeddings', embeddings))
}
if (only === undefined || only === 'plain') {
  await withEngine(plainOptions, (engine) => record(engine, 'plain-flags', plainFlags))
}
if (only === undefined || only === 'death') {
  await withEngine({ ...mainOptions, maxCpuLoras: 2 }, recordDeath)
}

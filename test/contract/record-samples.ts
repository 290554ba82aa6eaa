// Records what a real vLLM answers, byte by byte, into samples/*.json: what the simulator is built from.
// node bin/run.mjs test/contract/record-samples.ts
import { spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { request } from 'undici'
import { prepareVllmCpu } from '../../scripts/vllm-cpu.ts'
import { findVllm } from '../../src/engine/find-vllm.ts'
import { launchArguments } from '../../src/engine/launch-arguments.ts'
import {
  base,
  beforeLoads,
  chats,
  completion,
  completions,
  dangerous,
  errors,
  fixtures,
  loads,
  plainFlags,
} from './sample-requests.ts'
import type { Ask } from './sample-requests.ts'
import type { LaunchSettings } from '../../src/engine/types.ts'

const samples = join(import.meta.dirname, 'samples')
const apiKey = 'pool-key'

interface Sample {
  readonly name: string
  readonly request: Ask
  readonly response: {
    readonly status: number
    readonly headers: Readonly<Record<string, unknown>>
    readonly body: string
    /** How the bytes of a stream arrived. */
    readonly chunks?: readonly string[]
    readonly ms: number
  }
}

const settings: LaunchSettings = {
  modelPath: join(fixtures, 'tiny-llama'),
  servedModelName: base,
  maxLoras: 2,
  maxCpuLoras: 32,
  maxRank: 64,
  loraDtype: 'Auto',
  maxModelLen: 512,
  quantization: undefined,
  tensorParallel: 1,
  pipelineParallel: 1,
  dataParallel: 1,
  extraArgs: ['--enforce-eager', '--max-num-seqs', '16'],
  drainTimeoutSeconds: 5,
}

async function serve(executable: string, args: readonly string[], env: Record<string, string>) {
  const log = createWriteStream(join(tmpdir(), `record-${process.pid}.log`), { flags: 'a' })
  const started = Date.now()
  const child = spawn(executable, args, {
    env: { ...process.env, VLLM_CPU_KVCACHE_SPACE: '1', HF_HUB_OFFLINE: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  child.stdout.pipe(log)
  child.stderr.pipe(log)
  const gone = new Promise((resolve) => child.once('exit', resolve))
  const url = `http://127.0.0.1:${args[args.indexOf('--port') + 1]}`
  while (
    (await request(`${url}/health`).then(
      (r) => r.statusCode,
      () => 0,
    )) !== 200
  ) {
    if (child.exitCode !== null) {
      throw new Error(`vllm ended with ${child.exitCode}: ${String(log.path)}`)
    }
    await delay(100)
  }
  process.stderr.write(`ready after ${Date.now() - started} ms\n`)
  return {
    url,
    stop: async () => {
      child.kill('SIGTERM')
      await gone
    },
  }
}

async function ask(url: string, name: string, what: Ask): Promise<Sample> {
  const started = performance.now()
  const body = what.rawBody ?? (what.body === undefined ? undefined : JSON.stringify(what.body))
  const answer = await request(`${url}${what.path}`, {
    method: what.method ?? (body === undefined ? 'GET' : 'POST'),
    headers: {
      authorization: `Bearer ${apiKey}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...what.headers,
    },
    ...(body === undefined ? {} : { body }),
  })
  const chunks: string[] = []
  for await (const chunk of answer.body) {
    chunks.push(String(chunk))
  }
  const ms = Math.round(performance.now() - started)
  const isStream = String(answer.headers['content-type']).includes('event-stream')
  process.stderr.write(`${String(answer.statusCode)} ${String(ms).padStart(5)} ms  ${name}\n`)
  return {
    name,
    request: what,
    response: {
      status: answer.statusCode,
      headers: answer.headers,
      body: chunks.join(''),
      ...(isStream ? { chunks } : {}),
      ms,
    },
  }
}

async function save(file: string, recorded: readonly Sample[]): Promise<void> {
  const text = JSON.stringify(recorded, undefined, 2).replaceAll(fixtures, '/fixtures')
  await writeFile(join(samples, `${file}.json`), `${text}\n`)
}

async function record(
  url: string,
  file: string,
  asks: Readonly<Record<string, Ask>>,
): Promise<void> {
  const recorded: Sample[] = []
  for (const [name, what] of Object.entries(asks)) {
    recorded.push(await ask(url, name, what))
  }
  await save(file, recorded)
}

const executable = (await findVllm())?.path ?? (await prepareVllmCpu())
await mkdir(samples, { recursive: true })
const only = process.argv[2]
if (only !== 'plain') {
  const { args, env } = launchArguments(settings, { host: '127.0.0.1', port: 18_431, apiKey })
  const engine = await serve(executable, args, env)
  try {
    await record(engine.url, 'before-loads', beforeLoads)
    await record(engine.url, 'loads', loads)
    await record(engine.url, 'chat', chats)
    await record(engine.url, 'completions-and-others', completions)
    await record(engine.url, 'errors', errors)
    const running = ask(
      engine.url,
      'busy',
      completion('globex', { max_tokens: 300, ignore_eos: true }),
    )
    const others = ['acme', 'initech', 'more'].map((name) =>
      ask(engine.url, `busy ${name}`, completion(name, { max_tokens: 300, ignore_eos: true })),
    )
    await delay(150)
    await record(engine.url, 'metrics-busy', {
      'metrics, four adapters on two slots': { path: '/metrics' },
    })
    await Promise.all([running, ...others])
    await record(engine.url, 'dangerous', dangerous)
    await record(engine.url, 'metrics-after', { 'metrics, after': { path: '/metrics' } })
  } finally {
    await engine.stop()
  }
}
const plain = ['serve', settings.modelPath, '--host', '127.0.0.1', '--port', '18432']
const flags = [
  '--served-model-name',
  base,
  '--max-model-len',
  '512',
  '--enforce-eager',
  '--enable-lora',
]
const engine = await serve(executable, [...plain, ...flags], {})
try {
  await record(engine.url, 'plain-flags', plainFlags)
} finally {
  await engine.stop()
}

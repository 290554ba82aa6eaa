// Bills against what a real vLLM generated, request by request: finished ones to the token, aborted ones within one.
// A plugin inside vLLM says what its scheduler generated and what its API server had of it (test/support/token-tap).
//   node bin/run.mjs test/bars/bill-against-engine.ts [--requests 10000] [--minutes 60] [--concurrency 32] [--seed 1]
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { request as send } from 'undici'
import { vllmCpuFolder } from '../../src/engine/find-vllm.ts'
import { KnownUsers } from '../../src/gateway/metering/known-users.ts'
import type { Usage } from '../../src/gateway/relay/usage.ts'
import { SqliteUsage } from '../../src/ledger/usage/sqlite-usage.ts'
import type { UsageRow } from '../../src/ledger/usage/types.ts'
import { mixedRequest, randomFrom, usageIn, type MixedRequest } from '../support/mixed-requests.ts'
import { adapterYaml, fixtures, poolYaml, TestService, variantOf } from '../support/service.ts'
import { TokenTap, type TapLine } from '../support/token-tap/token-tap.ts'

const tenants = ['acme', 'globex', 'initech'] as const
const adapters = ['acme-tickets', 'globex-shout'] as const

/** One request, as its caller, the engine and its bill have it. */
interface Outcome extends MixedRequest {
  readonly tenant: string
  readonly left: boolean
  readonly status: number
  readonly answered: Usage | undefined
}

interface Options {
  readonly requests: number
  readonly concurrency: number
  /** No new ones after so long. */
  readonly minutes: number
  readonly seed: number
}

async function main(options: Options): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), 'loraplex-bill-'))
  try {
    const vllm = join(vllmCpuFolder(), 'bin', 'vllm')
    const tap = new TokenTap(folder, vllm, join(fixtures, 'tiny-llama', 'tokenizer.json'))
    process.env['LORAPLEX_VLLM'] = tap.executable
    const service = await startService()
    try {
      return await measure(service, tap, options)
    } finally {
      await service.close()
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function measure(service: TestService, tap: TokenTap, options: Options): Promise<boolean> {
  await service.untilReady(
    ...tenants.flatMap((tenant) => adapters.map((name) => `${tenant}/${name}`)),
  )
  const engine = engineUrl(service.enginePids()[0] ?? 0)
  const before = await tokensOf(engine)
  const startedAt = performance.now()
  const outcomes = await callAll(service, options)
  const seconds = (performance.now() - startedAt) / 1000
  while (service.standalone.gateway.inFlight > 0 || (await tokensOf(engine)).running > 0) {
    await delay(100)
  }
  // The engine's stop and the batch of bills that is still to be written.
  await delay(3_000)
  const after = await tokensOf(engine)
  console.log(`${outcomes.length} requests in ${seconds.toFixed(0)} s, seed ${options.seed}`)
  const engineTokens = { input: after.input - before.input, output: after.output - before.output }
  return report(outcomes, tap.lines(), await billsOf(service), engineTokens)
}

async function startService(): Promise<TestService> {
  const service = await TestService.start({
    engine: 'vllm',
    maxQueueMs: 600_000,
    files: {
      'pool.yaml': poolYaml({
        maxLoras: 4,
        args: ['--enable-auto-tool-choice', '--tool-call-parser', 'hermes'],
      }),
      'tenants.yaml': tenants.map(tenantWithLimits).join(''),
    },
  })
  const sources = join(service.folder, '.sources')
  const yaml = tenants.flatMap((tenant, at) =>
    adapters.map((name) => adapterYaml(tenant, name, variantOf(name, at, sources))),
  )
  service.save('adapters.yaml', yaml.join(''))
  return service
}

function tenantWithLimits(name: string): string {
  return `---
apiVersion: loraplex.dev/v1alpha1
kind: ModelTenant
metadata: {name: ${name}}
spec: {limits: {tokensPerDay: 1000000000, requestsPerDay: 1000000, concurrentRequests: 1000}}
`
}

/** Every fifth caller leaves, at a moment within the time that answers take. */
async function callAll(service: TestService, options: Options): Promise<readonly Outcome[]> {
  const random = randomFrom(options.seed)
  const outcomes: Outcome[] = []
  let [next, usualMs] = [0, 500]
  const endsAt = performance.now() + options.minutes * 60_000
  const worker = async (): Promise<void> => {
    while (next < options.requests && performance.now() < endsAt) {
      const at = (next += 1)
      const one = mixedRequest(at, random)
      const tenant = tenants[at % tenants.length] ?? 'acme'
      const model = adapters[Math.floor(random() * adapters.length)]
      const leavesMs = random() < 0.2 ? random() * 1.2 * usualMs : undefined
      const startedAt = performance.now()
      const asked = { url: `${service.url}${one.path}`, key: service.key(tenant), leavesMs }
      const answer = await callOnce(asked, { model, ...one.body })
      if (!answer.left) {
        usualMs += (performance.now() - startedAt - usualMs) / 50
      }
      outcomes.push({ ...one, tenant, ...answer })
      if (at % 500 === 0) {
        process.stderr.write(`${at} (usually ${Math.round(usualMs)} ms)\n`)
      }
    }
  }
  await Promise.all(Array.from({ length: options.concurrency }, worker))
  return outcomes
}

async function callOnce(
  { url, key, leavesMs }: { url: string; key: string; leavesMs: number | undefined },
  body: object,
): Promise<Pick<Outcome, 'left' | 'status' | 'answered'>> {
  const leaving = new AbortController()
  const timer = leavesMs === undefined ? undefined : setTimeout(() => leaving.abort(), leavesMs)
  try {
    const answer = await send(url, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      headersTimeout: 0,
      bodyTimeout: 0,
      signal: leaving.signal,
    })
    const status = answer.statusCode
    const text = await answer.body.text()
    if (status !== 200) {
      process.stderr.write(`${status} ${text}\n`)
    }
    return { left: false, status, answered: usageIn(text) }
  } catch (error) {
    if (leaving.signal.aborted) {
      return { left: true, status: 0, answered: undefined }
    }
    throw error
  } finally {
    clearTimeout(timer)
  }
}

/** By tenant and number of the request: each has a user of its own. */
async function billsOf(service: TestService): Promise<(one: Outcome) => UsageRow | undefined> {
  const usage = new SqliteUsage(join(service.state, 'usage.db'))
  const rows = await usage.query({
    fromMs: 0,
    toMs: 1e14,
    groupBy: ['tenant', 'userHash'],
    limit: 1_000_000,
  })
  await usage.close()
  const userSecret = Buffer.from(readFileSync(join(service.state, 'cache-salt'), 'utf8'), 'base64')
  const users = new KnownUsers(userSecret)
  const byUser = new Map(rows.map((row) => [`${row.group.tenant}/${row.group.userHash}`, row]))
  return ({ tenant, at }) => byUser.get(`${tenant}/${users.of(tenant, String(at)).hash}`)
}

function report(
  outcomes: readonly Outcome[],
  lines: readonly TapLine[],
  billOf: (one: Outcome) => UsageRow | undefined,
  engine: { readonly input: number; readonly output: number },
): boolean {
  const byRequest = Map.groupBy(lines, ({ request }) => request)
  const classes = new Map<string, Difference[]>()
  const sums = { billed: 0, core: 0, front: 0, billedInput: 0 }
  for (const one of outcomes) {
    const bill = billOf(one)
    const own = byRequest.get(one.at) ?? []
    const difference = differenceOf(one, bill, own)
    if (one.stream && Math.abs(difference.output) > (one.left ? 1 : 0)) {
      const ends = own.map(({ where, output, end }) => `${where} ${output} ${end}`)
      process.stderr.write(
        `${JSON.stringify(one.body)}: billed ${bill?.outputTokens}, ${ends.join(', ')}\n`,
      )
    }
    sums.billed += Number(bill?.outputTokens ?? 0n)
    sums.billedInput += Number(bill?.inputTokens ?? 0n)
    sums.core += outputOf(own, 'core')
    sums.front += outputOf(own, 'front')
    const name = classOf(one)
    classes.set(name, [...(classes.get(name) ?? []), difference])
  }
  const strangers = byRequest.get(-1)?.filter(({ where }) => where === 'core').length ?? 0
  console.log(
    `output: billed ${sums.billed}; engine's scheduler ${sums.core}; its API ${sums.front}`,
  )
  console.log(`vllm:generation_tokens_total grew by ${engine.output}; other requests: ${strangers}`)
  console.log(`input: billed ${sums.billedInput}; vllm:prompt_tokens_total grew by ${engine.input}`)
  let isMet = true
  for (const [name, differences] of [...classes].toSorted(([a], [b]) => a.localeCompare(b))) {
    isMet = say(name, differences) && isMet
  }
  return isMet
}

interface Difference {
  readonly output: number
  /** Against what had come as far as the engine's API. */
  readonly front: number
  readonly input: number
  /** Of a finished answer: its bill less its own usage. */
  readonly answer: number
}

function classOf({ left, status, stream, path }: Outcome): string {
  const how = `${path} ${stream ? 'streamed' : 'whole'}`
  return left ? `aborted  ${how}` : status === 200 ? `finished ${how}` : `refused ${status} ${how}`
}

function differenceOf(
  one: Outcome,
  bill: UsageRow | undefined,
  lines: readonly TapLine[],
): Difference {
  const output = Number(bill?.outputTokens ?? 0n)
  const input = Number(bill?.inputTokens ?? 0n)
  const core = lines.filter(({ where }) => where === 'core')
  const prompts = core.reduce((sum, line) => sum + line.input, 0) / one.choices
  const { answered } = one
  return {
    output: output - outputOf(lines, 'core'),
    front: output - outputOf(lines, 'front'),
    // Who left while it waited there has used nothing of it.
    input: outputOf(core, 'core') === 0 ? 0 : input - prompts,
    answer:
      answered === undefined
        ? 0
        : Math.abs(output - answered.completionTokens) + Math.abs(input - answered.promptTokens),
  }
}

function outputOf(lines: readonly TapLine[], where: TapLine['where']): number {
  return lines.reduce((sum, line) => sum + (line.where === where ? line.output : 0), 0)
}

function say(name: string, differences: readonly Difference[]): boolean {
  const bar = name.startsWith('aborted') ? 1 : 0
  const within = (pick: (one: Difference) => number): number =>
    differences.filter((one) => Math.abs(pick(one)) <= bar).length
  const output = within((one) => one.output)
  const isMet = output === differences.length && within((one) => one.answer) === differences.length
  const outputs = differences.map((one) => one.output)
  console.log(
    `${isMet ? 'ok    ' : 'MISSED'} ${name}: ${differences.length}; within ${bar}: output ${output}, ` +
      `API's output ${within((one) => one.front)}, input ${within((one) => one.input)}, answer ${within((one) => one.answer)}; ` +
      `output by ${Math.min(...outputs)} to ${Math.max(...outputs)}, all together ${outputs.reduce((sum, one) => sum + one, 0)}`,
  )
  return isMet
}

function engineUrl(pid: number): string {
  const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  return `http://127.0.0.1:${args[args.indexOf('--port') + 1]}`
}

async function tokensOf(engine: string) {
  const text = await (await send(`${engine}/metrics`)).body.text()
  const sum = (name: string): number =>
    [...text.matchAll(new RegExp(`^vllm:${name}\\{[^}]*\\} (\\S+)`, 'gm'))].reduce(
      (total, [, value]) => total + Number(value),
      0,
    )
  return {
    input: sum('prompt_tokens_total'),
    output: sum('generation_tokens_total'),
    running: sum('num_requests_running') + sum('num_requests_waiting'),
  }
}

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '10000' },
    minutes: { type: 'string', default: '60' },
    concurrency: { type: 'string', default: '32' },
    seed: { type: 'string', default: '1' },
  },
})
const isMet = await main({
  requests: Number(values.requests),
  minutes: Number(values.minutes),
  concurrency: Number(values.concurrency),
  seed: Number(values.seed),
})
process.exitCode = isMet ? 0 : 1

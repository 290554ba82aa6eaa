import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { request } from 'undici'
import { runLoad } from '../bench.ts'
import { TargetUnavailable } from '../process.ts'
import { mean, meanWithInterval, type Interval } from '../statistics.ts'
import { startGateway } from '../targets/gateway.ts'
import type { Target } from '../targets/target.ts'

const connections = 16
const maxTokens = 64
const bar = 0.95
const warmupRequests = 80
/** How long an arm of a pair may take: ten pairs then need some eight minutes. */
const armMs = 22_000
const evaluations = join(import.meta.dirname, '../../test/fixtures/evaluations/globex-shout.jsonl')

export interface VllmReport {
  readonly suite: 'vllm'
  readonly text: string
  readonly pairs: readonly { readonly direct: number; readonly gateway: number }[]
  readonly ratio: Interval
  readonly isKept: boolean
}

/** Streams with usage, so that both arms count the engine's own tokens; greedy, so that both generate the same ones. */
function bodies(model: string): string[] {
  return readFileSync(evaluations, 'utf8')
    .trim()
    .split('\n')
    .map((line, index) => {
      const { messages } = JSON.parse(line) as { messages: unknown }
      return JSON.stringify({
        model,
        messages,
        max_tokens: maxTokens,
        temperature: 0,
        stream: true,
        user: `user-${index % 20}`,
        stream_options: { include_usage: true },
      })
    })
}

async function tokensPerSecond(target: Target, requests: number): Promise<number> {
  const load = {
    path: '/v1/chat/completions',
    bodies: bodies(target.model),
    arrivals: { kind: 'Closed', connections, warmup: 0, requests },
  } as const
  // Nothing is pinned: engine, gateway and callers share both cores, as they would on one machine.
  const result = await runLoad(target, load, 'Any')
  if (result.completionTokens === 0) {
    throw new TargetUnavailable(`${target.name}: no answer carried usage`)
  }
  return result.completionTokens / result.wallSeconds
}

/** The engine itself, called by the name under which the gateway has loaded its adapter. */
async function directTarget(engineUrl: string): Promise<Target> {
  const { body } = await request(`${engineUrl}/v1/models`)
  const { data } = (await body.json()) as { data: { id: string; parent: string | null }[] }
  const adapter = data.findLast(({ parent }) => parent !== null)
  if (adapter === undefined) {
    throw new TargetUnavailable('the engine lists no adapter, though the gateway says it is ready')
  }
  const stop = () => Promise.resolve()
  return { name: 'direct', url: engineUrl, headers: {}, model: adapter.id, pid: -1, stop }
}

/** Output tokens a second of a real vLLM, through the gateway against direct, in interleaved pairs. */
export async function runVllm(
  engineUrl: string | undefined,
  pairCount: number,
  quick: boolean,
  stack: AsyncDisposableStack,
): Promise<VllmReport> {
  if (engineUrl === undefined) {
    throw new TargetUnavailable('vllm needs --engine-url URL of a running vLLM')
  }
  const gateway = await startGateway(engineUrl, { core: 'Any' })
  stack.defer(() => gateway.stop())
  const direct = await directTarget(engineUrl)
  const warmedAt = performance.now()
  for (const target of [direct, gateway]) {
    await tokensPerSecond(target, warmupRequests)
  }
  const requestsPerMs = (2 * warmupRequests) / (performance.now() - warmedAt)
  const requests = quick ? 24 : Math.max(48, Math.min(320, Math.round(armMs * requestsPerMs)))
  const pairs: { direct: number; gateway: number }[] = []
  for (let index = 0; index < pairCount; index++) {
    const pair = { direct: 0, gateway: 0 }
    // Who goes first alternates: a trend of the machine must not favour one of them.
    for (const target of index % 2 === 0 ? [direct, gateway] : [gateway, direct]) {
      pair[target.name === 'direct' ? 'direct' : 'gateway'] = await tokensPerSecond(
        target,
        requests,
      )
    }
    pairs.push(pair)
    process.stderr.write('.')
  }
  process.stderr.write('\n')
  const ratio = meanWithInterval(pairs.map((pair) => pair.gateway / pair.direct))
  const isKept = ratio.mean >= bar
  return { suite: 'vllm', text: print(pairs, ratio, isKept, requests), pairs, ratio, isKept }
}

function print(
  pairs: VllmReport['pairs'],
  ratio: Interval,
  isKept: boolean,
  requests: number,
): string {
  const percent = (value: number) => `${(value * 100).toFixed(1)} %`
  const rate = (arm: 'direct' | 'gateway') => mean(pairs.map((pair) => pair[arm])).toFixed(0)
  return [
    `\nvllm: output tokens/s of a real vLLM, ${pairs.length} interleaved pairs of ${requests} streams, ${connections} at once`,
    `  direct ${rate('direct')}, through the gateway ${rate('gateway')} tokens/s`,
    `  ratios ${pairs.map((pair) => percent(pair.gateway / pair.direct)).join(', ')}`,
    `  mean ${percent(ratio.mean)}, 95 % interval ${percent(ratio.low)}–${percent(ratio.high)}, bar ≥ ${percent(bar)}: ${isKept ? 'kept' : 'MISSED'}`,
  ].join('\n')
}

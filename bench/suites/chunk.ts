import { interleave, runLoad, withoutLitellm, workOf, type Bench } from '../bench.ts'
import { chatBodies, promptOf } from '../prompts.ts'
import { Measure, type Bar, type Report } from '../report.ts'
import { median } from '../statistics.ts'
import type { Target } from '../targets/target.ts'

const longChunks = 64
/** Of a target that carries no more. */
const slowConnections = 20
/** Frames beside the content frames: the role in front, [DONE] at the end. */
const otherFrames = 2

/** Above this many frames an arrival, chunks no longer came singly. */
const mergedFrames = 1.3
const mergedNote =
  'Something was starved: chunks piled up and were read together, so this is no cost of single chunks. Try again on a calmer machine.'

interface Streams {
  readonly chunks: number
  readonly connections: number
  readonly requests: number
  readonly warmup: number
}

function runStreams(target: Target, streams: Streams) {
  const { chunks, connections, requests, warmup } = streams
  const prompt = promptOf(1024)
  return runLoad(target, {
    path: '/v1/chat/completions',
    bodies: chatBodies({ model: target.model, prompt, maxTokens: chunks, stream: true }),
    // LiteLLM's proxy makes frames of its own.
    ...(target.name === 'litellm' ? {} : { wantFrames: chunks + otherFrames }),
    arrivals: { kind: 'Closed', connections, requests, warmup },
  })
}

interface ChunkSuite {
  readonly suite: string
  readonly title: string
  readonly tickMs: number
  readonly connections: number
  /** Whole waves of streams, so that all chunks of a run are paid for in that run. */
  readonly waves: { readonly short: number; readonly long: number }
  readonly atMost: number | undefined
}

/** CPU a chunk = (a stream of 64 chunks − a stream of 1 chunk) / 63, so that what a stream costs once cancels out. */
async function measureChunks(bench: Bench, plan: ChunkSuite): Promise<Report> {
  const { rounds } = bench
  const { waves, atMost } = plan
  const bar: Bar = atMost === undefined ? { kind: 'Told' } : { kind: 'TimesBare', atMost }
  const cost = new Measure('CPU a chunk', 'µs', 2, bar)
  const once = new Measure('CPU a stream of 1 chunk', 'µs', 1, { kind: 'Told' })
  const busy = new Measure('busy with long streams', 'share of a core', 2)
  const gap = new Measure('gap between chunks, p99', 'ms', 1)
  const together = new Measure('frames an arrival', '1.03 when single', 2)
  await bench.upstream.setTickMs(plan.tickMs)
  await interleave(bench, rounds, async (target, round) => {
    const connections = Math.max(slowConnections, workOf(target, plan.connections))
    const warmup = connections * (round === 0 ? 10 : 2)
    const base = { connections, warmup }
    const requests = (count: number) => connections * (bench.quick ? Math.ceil(count / 4) : count)
    const short = await runStreams(target, { ...base, chunks: 1, requests: requests(waves.short) })
    const long = await runStreams(target, {
      ...base,
      chunks: longChunks,
      requests: requests(waves.long),
    })
    const perStream = (result: typeof short) => (result.cpuSeconds / result.requests) * 1e6
    cost.add(target.name, (perStream(long) - perStream(short)) / (longChunks - 1))
    once.add(target.name, perStream(short))
    busy.add(target.name, long.cpuSeconds / long.wallSeconds)
    gap.add(target.name, long.gapMs.p99)
    together.add(target.name, long.frames / (long.gapMs.count + long.requests))
  })
  const measures = plan.tickMs > 0 ? [cost, once, busy, gap, together] : [cost, once, busy]
  const title = `${plan.title}, (64-chunk − 1-chunk) / 63, ${rounds} rounds`
  const isMerged = together.targets.some((target) => median(together.of(target)) > mergedFrames)
  const notes = plan.tickMs > 0 && isMerged ? [mergedNote] : []
  return { suite: plan.suite, title, measures, notes }
}

/** Chunks that come one by one: every one is a read and a write of its own. */
export function chunkSuite(bench: Bench): Promise<Report> {
  return measureChunks(bench, {
    suite: 'chunk',
    title: '200 streams, chunks 10 ms apart',
    tickMs: 10,
    connections: 200,
    waves: { short: 40, long: 8 },
    atMost: 1.3,
  })
}

/** Chunks that come all at once: reads and writes are shared, so what remains is work per chunk. */
export function burstSuite(bench: Bench): Promise<Report> {
  return measureChunks(withoutLitellm(bench), {
    suite: 'burst',
    title: '64 streams, all chunks in one piece',
    tickMs: 0,
    connections: 64,
    waves: { short: 160, long: 160 },
    atMost: undefined,
  })
}

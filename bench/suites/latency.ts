import { interleave, runLoad, withoutLitellm, type Bench } from '../bench.ts'
import { chatBodies, promptOf } from '../prompts.ts'
import { Measure, type Report } from '../report.ts'
import type { Target } from '../targets/target.ts'

const requestsPerSecond = 1_000
const chunks = 4
/** Before a round is measured; the first round compiles the target's code. */
const firstWarmupSeconds = 20
const laterWarmupSeconds = 2

/** Latency at a fixed rate, over what nginx takes in the same round. */
export async function latencySuite(bench: Bench): Promise<Report> {
  const { rounds } = bench
  const seconds = bench.quick ? 3 : 8
  const p50 = new Measure('answer, p50', 'ms', 2, { kind: 'OverNginx', atMost: 0.5 })
  const p99 = new Measure('answer, p99', 'ms', 2, { kind: 'OverNginx', atMost: 3 })
  const ttft50 = new Measure('first byte of a stream, p50', 'ms', 2, {
    kind: 'OverNginx',
    atMost: 1,
  })
  const ttft99 = new Measure('first byte of a stream, p99', 'ms', 2)
  const lag = new Measure('sent late by, p99', 'ms', 2)
  await bench.upstream.setTickMs(0)
  const run = (target: Target, round: number, stream: boolean) =>
    runLoad(target, {
      path: '/v1/chat/completions',
      bodies: chatBodies({
        model: target.model,
        prompt: promptOf(1024),
        maxTokens: chunks,
        stream,
      }),
      arrivals: {
        kind: 'Open',
        requestsPerSecond,
        warmupSeconds: round === 0 && !bench.quick ? firstWarmupSeconds : laterWarmupSeconds,
        seconds,
      },
    })
  await interleave(
    { ...bench, targets: [bench.upstream, ...withoutLitellm(bench).targets] },
    rounds,
    async (target, round) => {
      const whole = await run(target, round, false)
      p50.add(target.name, whole.latencyMs.p50)
      p99.add(target.name, whole.latencyMs.p99)
      const streamed = await run(target, round, true)
      ttft50.add(target.name, streamed.firstByteMs.p50)
      ttft99.add(target.name, streamed.firstByteMs.p99)
      lag.add(target.name, whole.lagMs.p99)
    },
  )
  return {
    suite: 'latency',
    title: `${requestsPerSecond} req/s, open loop, ${seconds} s × ${rounds} rounds`,
    measures: [p50, p99, ttft50, ttft99, lag],
    notes: [
      'Upstream and load generator share a core, so all columns hold their waits for each other.',
    ],
  }
}

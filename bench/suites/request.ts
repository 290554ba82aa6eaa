import { interleave, runLoad, workOf, type Bench } from '../bench.ts'
import { chatBodies, promptOf } from '../prompts.ts'
import { Measure, type Report } from '../report.ts'

const connections = 64
/** Requests before a round is measured; the first round compiles the target's code. */
const firstWarmup = 20_000
const laterWarmup = 2_000

/** CPU a request: 1 kB prompts, answers of 1.3 kB, closed loop. */
export async function requestSuite(bench: Bench): Promise<Report> {
  const { rounds } = bench
  const requests = bench.quick ? 8_000 : 30_000
  const cost = new Measure('CPU a request', 'µs', 1, { kind: 'TimesBare', atMost: 2.2 })
  const busy = new Measure('busy', 'share of a core', 2)
  const rate = new Measure('rate', 'req/s', 0)
  await bench.upstream.setTickMs(0)
  await interleave(bench, rounds, async (target, round) => {
    const prompt = promptOf(1024)
    const result = await runLoad(target, {
      path: '/v1/chat/completions',
      bodies: chatBodies({ model: target.model, prompt, maxTokens: 256, stream: false }),
      arrivals: {
        kind: 'Closed',
        connections,
        warmup: workOf(target, round === 0 ? firstWarmup : laterWarmup),
        requests: workOf(target, requests),
      },
    })
    cost.add(target.name, (result.cpuSeconds / result.requests) * 1e6)
    busy.add(target.name, result.cpuSeconds / result.wallSeconds)
    rate.add(target.name, result.requests / result.wallSeconds)
  })
  return {
    suite: 'request',
    title: `1 kB prompts, 1.3 kB answers, ${connections} connections, ${requests} requests × ${rounds} rounds`,
    measures: [cost, busy, rate],
    notes: [],
  }
}

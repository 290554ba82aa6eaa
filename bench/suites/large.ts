import { interleave, runLoad, workOf, type Bench } from '../bench.ts'
import { chatBodies, promptOf, type Text } from '../prompts.ts'
import { Measure, type Report } from '../report.ts'

const promptBytes = 300_000
const connections = 8
const users = 4

/** Requests a second that one core carries when every prompt is 300 KB: requests / CPU seconds of the target. */
export async function largeSuite(bench: Bench): Promise<Report> {
  const { rounds } = bench
  const requests = bench.quick ? 400 : 2_000
  const bar = { kind: 'AtLeast', value: 400 } as const
  const texts: readonly [Text, Measure][] = [
    ['Ascii', new Measure('ASCII', 'req/s a core', 0, bar)],
    ['Accented', new Measure('with accents', 'req/s a core', 0, bar)],
  ]
  await bench.upstream.setTickMs(0)
  await interleave(bench, rounds, async (target, round) => {
    for (const [text, measure] of texts) {
      const prompt = promptOf(promptBytes, text)
      const result = await runLoad(target, {
        path: '/v1/chat/completions',
        bodies: chatBodies({ model: target.model, prompt, maxTokens: 256, stream: false }, users),
        arrivals: {
          kind: 'Closed',
          connections,
          requests: workOf(target, requests),
          warmup: workOf(target, round === 0 ? 400 : 50),
        },
      })
      measure.add(target.name, result.requests / result.cpuSeconds)
    }
  })
  return {
    suite: 'large',
    title: `300 KB prompts, 1.3 kB answers, ${connections} connections, ${requests} requests × ${rounds} rounds`,
    measures: texts.map(([, measure]) => measure),
    notes: [],
  }
}

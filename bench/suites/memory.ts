import { runLoad, type Bench } from '../bench.ts'
import { chatBody, promptOf } from '../prompts.ts'
import { Measure, type Report } from '../report.ts'

const chunksPerSecond = 2
const bytesPerMb = 1e6

/** Resident memory while many slow streams are open. One round: memory of a process does not go back. */
export async function memorySuite(bench: Bench): Promise<Report> {
  const streams = bench.quick ? 500 : 2_000
  const seconds = bench.quick ? 10 : 60
  const rss = new Measure('largest RSS', 'MB', 0, { kind: 'TimesBare', atMost: 2 })
  const after = new Measure('RSS at the end', 'MB', 0)
  await bench.upstream.setTickMs(1000 / chunksPerSecond)
  for (const target of bench.targets) {
    const chunks = seconds * chunksPerSecond
    const prompt = promptOf(1024)
    const result = await runLoad(target, {
      path: '/v1/chat/completions',
      bodies: [chatBody({ model: target.model, prompt, maxTokens: chunks, stream: true })],
      arrivals: { kind: 'Closed', connections: streams, warmup: 0, requests: streams },
    })
    rss.add(target.name, result.rssBytesMax / bytesPerMb)
    after.add(target.name, result.rssBytesAtEnd / bytesPerMb)
  }
  return {
    suite: 'memory',
    title: `${streams} streams of ${chunksPerSecond} chunks/s for ${seconds} s`,
    measures: [rss, after],
    notes: ['Run it alone: an earlier suite leaves its garbage in the targets.'],
  }
}

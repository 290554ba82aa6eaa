import { runLoad, withoutLitellm, type Bench } from '../bench.ts'
import type { LoadResult, RssSample } from '../load/job.ts'
import { chatBody, promptOf } from '../prompts.ts'
import { Measure, type Report } from '../report.ts'
import { slope } from '../statistics.ts'
import type { Target } from '../targets/target.ts'

const chunksPerSecond = 2
const bytesPerMb = 1e6
/** Seconds that streams last: of mixed lengths, so that at any time some begin and some end. */
const streamSeconds = [30, 45, 60, 90, 120, 180, 240, 300]
/** A stopped reader leaves after so long and comes again: gateways have to bound it until then, and to forget it. */
const holdMs = 300_000

export interface MemoryOptions {
  readonly minutes: number
  /** Per cent of the readers. */
  readonly stopped: number
}

/** Resident memory while many slow streams are open, of all targets at once: memory of a process does not go back. */
export async function memorySuite(
  bench: Bench,
  { minutes, stopped }: MemoryOptions,
): Promise<Report> {
  const streams = bench.quick ? 500 : 2_000
  const stoppedStreams = Math.round((streams * stopped) / 100)
  const seconds = bench.quick ? 10 : minutes * 60
  const rss = new Measure('largest RSS', 'MB', 0, { kind: 'TimesBare', atMost: 2 })
  const after = new Measure('RSS at the end', 'MB', 0)
  const growth = new Measure('slope of RSS, second half', 'MB/h', 1, { kind: 'AtMost', value: 5 })
  const ended = new Measure('streams ended', '', 0)
  const wrong = new Measure('streams that ended badly', '', 0)
  const cut = new Measure('stopped readers cut off', 'share', 2)
  const notes = ['Run it alone: an earlier suite leaves its garbage in the targets.']
  await bench.upstream.setTickMs(1000 / chunksPerSecond)
  await Promise.all(
    withoutLitellm(bench).targets.map(async (target) => {
      const result = await hold(target, streams - stoppedStreams, stoppedStreams, seconds)
      rss.add(target.name, result.rssBytesMax / bytesPerMb)
      after.add(target.name, result.rssBytesAtEnd / bytesPerMb)
      growth.add(target.name, slopePerHour(result.rss, seconds) / bytesPerMb)
      ended.add(target.name, result.requests)
      wrong.add(target.name, result.errors)
      for (const [fault, count] of Object.entries(result.faults)) {
        notes.push(`${target.name}: ${count} × ${fault}`)
      }
      cut.add(target.name, result.stopped.cut / result.stopped.begun)
    }),
  )
  return {
    suite: 'memory',
    title: `${streams} streams of ${chunksPerSecond} chunks/s for ${seconds} s, ${stoppedStreams} of them with readers that stopped`,
    // Minutes say nothing about hours.
    measures: [rss, after, ...(minutes >= 10 ? [growth] : []), ended, wrong, cut],
    notes,
  }
}

function hold(
  target: Target,
  connections: number,
  stopped: number,
  seconds: number,
): Promise<LoadResult> {
  const prompt = promptOf(1024)
  const bodyOf = (lasts: number, more: object) =>
    chatBody(
      { model: target.model, prompt, maxTokens: lasts * chunksPerSecond, stream: true },
      more,
    )
  return runLoad(target, {
    path: '/v1/chat/completions',
    bodies: streamSeconds.map((lasts, index) => bodyOf(lasts, { user: `user-${index}` })),
    arrivals: {
      kind: 'Held',
      connections,
      seconds,
      stopped: {
        // Long frames: the kernel takes 4 MB on loopback before a stopped reader is felt.
        body: bodyOf(3_600, { logprobs: true, top_logprobs: 20, user: 'stopped' }),
        connections: stopped,
        holdMs,
      },
    },
  })
}

function slopePerHour(samples: readonly RssSample[], seconds: number): number {
  const half = samples.filter((sample) => sample.seconds >= seconds / 2)
  return slope(half.map((sample) => [sample.seconds, sample.bytes])) * 3600
}

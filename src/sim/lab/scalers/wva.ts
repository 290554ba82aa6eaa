import type { ScalePolicy, ScaleView } from '../scale-policy.ts'

const fullKv = 0.8
const fullQueue = 5
const spareKv = 0.1
const spareQueue = 3
const peakMs = 60_000
const decideEveryMs = 30_000
/** Its HPA's window for fewer pods. */
const downWindowMs = 240_000

interface Peak {
  readonly atMs: number
  readonly kv: number
  readonly queue: number
}

/**
 * llm-d's workload-variant-autoscaler, saturation rule: one replica more where those that are not full have little to
 * spare, nothing while one is starting, one fewer where the rest could carry the load. Peaks of the last minute, every
 * 30 s. Peaks are means over replicas here.
 */
export function wva(): ScalePolicy {
  let peaks: Peak[] = []
  let answers: { readonly atMs: number; readonly count: number }[] = []
  let nextMs = 0
  return {
    name: 'wva',
    source: 'llm-d-workload-variant-autoscaler v0.5.1, internal/saturation',
    everyMs: 10_000,
    wakeMs: 100,
    decide(view) {
      const { nowMs, ordered, ready } = view
      if (ordered === 0) {
        return view.waiting > 0 ? 1 : 0
      }
      peaks = [...peaks.filter(({ atMs }) => atMs > nowMs - peakMs), sightOf(view)]
      if (nowMs < nextMs || ready < ordered) {
        return ordered
      }
      nextMs = nowMs + decideEveryMs
      const wanted = ordered + stepOf(peaks, ready)
      answers = [
        ...answers.filter(({ atMs }) => atMs > nowMs - downWindowMs),
        { atMs: nowMs, count: wanted },
      ]
      return wanted > ordered
        ? wanted
        : Math.min(ordered, Math.max(...answers.map(({ count }) => count)))
    },
  }
}

/** Means over those that are not full; everything full has nothing to spare. */
function sightOf({ nowMs, engines }: ScaleView): Peak {
  const open = engines().filter(({ kvUsage, waiting }) => kvUsage < fullKv && waiting < fullQueue)
  const mean = (values: readonly number[], none: number): number =>
    values.length === 0 ? none : values.reduce((sum, value) => sum + value, 0) / values.length
  return {
    atMs: nowMs,
    kv: mean(
      open.map(({ kvUsage }) => kvUsage),
      fullKv,
    ),
    queue: mean(
      open.map(({ waiting }) => waiting),
      fullQueue,
    ),
  }
}

function stepOf(peaks: readonly Peak[], ready: number): number {
  const kv = Math.max(...peaks.map((peak) => peak.kv))
  const queue = Math.max(...peaks.map((peak) => peak.queue))
  if (fullKv - kv < spareKv || fullQueue - queue < spareQueue) {
    return 1
  }
  const more = ready / Math.max(1, ready - 1)
  const fits = fullKv - kv * more >= spareKv && fullQueue - queue * more >= spareQueue
  return ready >= 2 && fits ? -1 : 0
}

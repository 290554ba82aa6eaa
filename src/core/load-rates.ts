import { oldestWithin, type Sample } from './autoscale-sample.ts'

export interface Rates {
  /** A second. */
  readonly requests: number
  readonly inputTokens: number
  /** Requests counted, in so many seconds. */
  readonly count: number
  readonly seconds: number
}

/** Windows in which a jump shows, shortest first. Milliseconds. */
const jumpWindowsMs = [2000, 5000, 10_000, 30_000] as const
/** What came in less is no rate. */
const leastSeconds = 0.9
/** Looks are a second apart, and timers late: the first one of a window may be a little older. */
const lateMs = 250
/** How far beyond the slower rate a window has to be: 99.9 %. */
const sigmas = 3
/** Squared spread of the work of one request: a CV of lengths of 1.2 (ShareGPT; Azure's have 1). */
const spreadOfWork = 1.44
/** Newer samples may be of a jump; how clumped arrivals are is taken from older ones. */
const clumpsBeforeMs = 10_000

/** Means from the first sample that is not older until now. */
export function ratesSince(samples: readonly Sample[], sinceMs: number): Rates | undefined {
  const last = samples.at(-1)
  const first = last === undefined ? undefined : oldestWithin(samples, sinceMs, 0)
  if (first?.inputTokens === undefined || last?.inputTokens === undefined) {
    return undefined
  }
  const seconds = (last.atMs - first.atMs) / 1000
  const count = last.arrivals - first.arrivals
  if (seconds < leastSeconds) {
    return undefined
  }
  return {
    requests: count / seconds,
    inputTokens: (last.inputTokens - first.inputTokens) / seconds,
    count,
    seconds,
  }
}

/** One standard deviation of the work of so many requests, as a part of it. */
export function doubtOf(samples: readonly Sample[], count: number): number {
  return Math.min(1, Math.sqrt((clumpsOf(samples) + spreadOfWork) / Math.max(1, count)))
}

/** When the load became another, and whether there was more or less of it then. */
export interface LoadJump {
  readonly fromMs: number
  readonly isMore: boolean
}

/** From the shortest window in which there was certainly more, or less, than since `fromMs`; undefined: there is none. */
export function findJump(
  samples: readonly Sample[],
  nowMs: number,
  fromMs: number,
  workOf: (rates: Rates) => number,
): LoadJump | undefined {
  const slow = ratesSince(samples, fromMs)
  if (slow === undefined) {
    return undefined
  }
  const known = workOf(slow)
  for (const windowMs of jumpWindowsMs) {
    const rates =
      nowMs - windowMs > fromMs ? ratesSince(samples, nowMs - windowMs - lateMs) : undefined
    if (rates !== undefined) {
      const work = workOf(rates)
      // More than was expected is judged by what came, less by what should have come.
      const count = Math.max(rates.count, slow.requests * rates.seconds)
      if (Math.abs(work - known) > sigmas * doubtOf(samples, count) * Math.max(work, known)) {
        return { fromMs: nowMs - windowMs, isMore: work > known }
      }
    }
  }
  return undefined
}

/** Variance by mean of the arrivals between two samples: 1 where they are independent, more where they come in clumps. */
function clumpsOf(samples: readonly Sample[]): number {
  const untilMs = (samples.at(-1)?.atMs ?? 0) - clumpsBeforeMs
  let [count, sum, squares] = [0, 0, 0]
  for (const [index, sample] of samples.entries()) {
    const before = samples[index - 1]
    if (before !== undefined && sample.atMs <= untilMs) {
      const came = sample.arrivals - before.arrivals
      count += 1
      sum += came
      squares += came * came
    }
  }
  const mean = sum / Math.max(1, count)
  return count < 10 || mean === 0 ? 1 : Math.max(1, (squares / count - mean * mean) / mean)
}

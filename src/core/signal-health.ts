/** One moment of a pool, from both sides. */
export interface SignalSample {
  readonly atMs: number
  /** Of all gateways. */
  readonly waiting: number
  readonly running: number
  /** Since they started; may fall when one restarts. */
  readonly arrivals: number
  /** They were all heard lately. */
  readonly isFresh: boolean
  /** What agents say of their engines, ready replicas only. */
  readonly engines: readonly {
    readonly running: number
    readonly waiting: number
    readonly kvCacheUsage: number
  }[]
}

/** A signal that scaling and placement go by is there and says nothing. */
export interface SignalProblem {
  readonly reason: 'EngineLoadInert' | 'DemandInert'
  readonly message: string
}

/** For so long before it counts. */
const windowMs = 60_000
const leastSamples = 6
/** Requests that came meanwhile: with fewer, numbers that stand still may be true. */
const leastArrivals = 10

/** The samples that are to be kept for the next look. */
export function keepSamples(
  before: readonly SignalSample[],
  sample: SignalSample,
): readonly SignalSample[] {
  const kept = before.filter(({ atMs }) => atMs >= sample.atMs - windowMs)
  return [...kept, sample]
}

/**
 * An inert signal under traffic: gateways and engines contradict each other for a minute. A metric that an engine's new
 * version calls by another name reads as an idle engine; without this, nobody would notice but the callers.
 */
export function judgeSignals(samples: readonly SignalSample[]): SignalProblem | undefined {
  const [first, last] = [samples[0], samples.at(-1)]
  if (
    first === undefined ||
    last === undefined ||
    samples.length < leastSamples ||
    last.atMs - first.atMs < windowMs * 0.9 ||
    !samples.every(({ isFresh, engines }) => isFresh && engines.length > 0)
  ) {
    return undefined
  }
  const came = last.arrivals - first.arrivals
  if (came >= leastArrivals && samples.every(({ running }) => running > 0) && areInert(samples)) {
    return {
      reason: 'EngineLoadInert',
      message: `For a minute gateways have had requests at the engines (${last.running} now, ${came} came), and the load that agents read from their engines is not moved by it (${saidBy(last)} requests): are the engines’ metrics those of engine.version?`,
    }
  }
  if (came === 0 && samples.every((one) => one.running + one.waiting === 0 && saidBy(one) > 0)) {
    return {
      reason: 'DemandInert',
      message: `For a minute engines have had requests (${saidBy(last)} now), and gateways say that they sent none: who calls the engines beside them?`,
    }
  }
  return undefined
}

/** All zero, or the same all the time and far from what gateways count. */
function areInert(samples: readonly SignalSample[]): boolean {
  const first = JSON.stringify(samples[0]?.engines)
  return (
    samples.every((one) => saidBy(one) === 0) ||
    samples.every((one) => JSON.stringify(one.engines) === first && isFarOff(one))
  )
}

function isFarOff(sample: SignalSample): boolean {
  return Math.abs(saidBy(sample) - sample.running) > Math.max(2, sample.running / 2)
}

function saidBy({ engines }: SignalSample): number {
  return engines.reduce((sum, { running, waiting }) => sum + running + waiting, 0)
}

/** What was seen of a pool at one moment. Counters run from the start of gateways. */
export interface Sample {
  readonly atMs: number
  readonly waiting: number
  /** Of these, for adapters that have to be loaded first. */
  readonly cold?: number | undefined
  readonly running: number
  readonly arrivals: number
  readonly ready: number
  /** Calls of any kind, those that are no work for a GPU, too; absent: `arrivals`. */
  readonly calls?: number | undefined
  /** Prompt tokens of all that arrived. */
  readonly inputTokens?: number | undefined
  /** Tokens of all answers that ended. */
  readonly outputTokens?: number | undefined
  /** These answers; absent: all requests that ended. */
  readonly answers?: number | undefined
  /** Distinct adapters in flight on each ready replica, summed. */
  readonly activeAdapters?: number | undefined
}

/** Of those that wait, who lacks a place at an engine: not an adapter, of which more replicas bring no more. */
export function placelessOf({ waiting, cold = 0 }: Pick<Sample, 'waiting' | 'cold'>): number {
  return Math.max(0, waiting - cold)
}

/** The oldest sample that is not older than the window; the newest one counts to it. */
export function oldestWithin(
  samples: readonly Sample[],
  nowMs: number,
  windowMs: number,
): Sample | undefined {
  return samples.find(({ atMs }) => atMs >= nowMs - windowMs)
}

/** Of any kind: what waits and runs is counted so. */
export function callsOf({ calls, arrivals }: Pick<Sample, 'calls' | 'arrivals'>): number {
  return calls ?? arrivals
}

/** Calls that ended, as far as counters tell. */
export function doneOf(sample: Sample): number {
  return callsOf(sample) - sample.waiting - sample.running
}

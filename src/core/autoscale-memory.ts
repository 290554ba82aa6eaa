export interface Sample {
  readonly atMs: number
  readonly waiting: number
  readonly running: number
  readonly arrivals: number
  readonly ready: number
}

/** What an autoscaler knows of a pool's past; lost with the process, and soon learned again. */
export interface AutoscaleMemory {
  readonly samples: readonly Sample[]
  /** What was wanted lately, before the stabilisation. */
  readonly wants: readonly { readonly atMs: number; readonly wanted: number }[]
  /** Requests at once on a replica that has more than it can run, once that was seen. */
  readonly capacity: number | undefined
  readonly sinceMs: number
  /** When somebody last asked for anything. */
  readonly askedAtMs: number
}

const keptMs = 60_000
/** Weight of a new sight of a full replica. */
const learning = 0.2

export function emptyMemory(nowMs: number): AutoscaleMemory {
  return { samples: [], wants: [], capacity: undefined, sinceMs: nowMs, askedAtMs: nowMs }
}

export function rememberSample(
  memory: AutoscaleMemory,
  sample: Sample,
  isAsked: boolean,
): AutoscaleMemory {
  const before = memory.samples.at(-1)
  // A gateway went, or started again: its counters are no longer in the sum.
  const isBroken = before !== undefined && sample.arrivals < before.arrivals
  return {
    ...memory,
    samples: [
      ...(isBroken ? [] : memory.samples.filter(({ atMs }) => atMs > sample.atMs - keptMs)),
      sample,
    ],
    capacity: learn(memory, sample),
    askedAtMs: isAsked ? sample.atMs : memory.askedAtMs,
  }
}

/** The oldest sample that is not older than the window; the newest one counts to it. */
export function oldestWithin(
  samples: readonly Sample[],
  nowMs: number,
  windowMs: number,
): Sample | undefined {
  return samples.find(({ atMs }) => atMs >= nowMs - windowMs)
}

/** A replica is full while requests wait; for a moment, or with some replicas just up, that says nothing. */
function learn({ samples, capacity }: AutoscaleMemory, sample: Sample): number | undefined {
  const recent = samples.slice(-2)
  const isFull =
    sample.waiting > 0 &&
    sample.ready > 0 &&
    sample.running > 0 &&
    recent.length === 2 &&
    recent.every(({ waiting, ready }) => waiting > 0 && ready === sample.ready)
  if (!isFull) {
    return capacity
  }
  const seen = sample.running / sample.ready
  return capacity === undefined ? seen : capacity + learning * (seen - capacity)
}

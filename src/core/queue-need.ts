import type { AutoscaleMemory } from './autoscale-memory.ts'
import { callsOf, doneOf, oldestWithin, placelessOf, type Sample } from './autoscale-sample.ts'

export interface QueueLoad {
  readonly nowMs: number
  readonly waiting: number
  /** Of these, for adapters that have to be loaded first. */
  readonly cold?: number | undefined
  readonly running: number
  readonly current: number
  readonly ready: number
  /** Requests that may wait for each ready replica. */
  readonly targetQueueDepth: number
}

/** Replicas are kept at so much of what they can run at once. */
const headroom = 0.8
/** A backlog is to be gone in about so long. */
const drainSeconds = 60
/**
 * While nobody knows how fast a replica is, never more than so many: what piles up during a cold start of minutes says
 * nothing about the load after it.
 */
const maxGrowth = 4
const rateWindowMs = 10_000
const capacityWindowMs = 60_000
/** Requests at once on a replica of which nothing is known. */
const assumedCapacity = 8

/**
 * Whole replicas for the requests there are, knowing neither tokens nor costs: Little's law, and how many requests ran on
 * a replica while others waited. Before bounds.
 */
export function queueNeed(load: QueueLoad, memory: AutoscaleMemory): number {
  const { waiting, running, ready, current, targetQueueDepth } = load
  if (waiting + running === 0 && callsPerSecond(memory, load.nowMs) === 0) {
    return 0
  }
  const placeless = placelessOf(load)
  const work = running + placeless
  const isWaiting = placeless > targetQueueDepth * Math.max(ready, 1)
  const measured = concurrencyWanted(memory, load.nowMs)
  if (measured === undefined || ready === 0) {
    const each = (memory.capacity ?? assumedCapacity) + targetQueueDepth
    return Math.min(Math.ceil(work / each), Math.max(maxGrowth, current))
  }
  if (memory.capacity === undefined) {
    // It never had more than it could run: how much that is, a smaller number of replicas will tell.
    const each = running / ready + targetQueueDepth
    return Math.min(Math.ceil(Math.max(measured, work) / each), Math.max(current, 1))
  }
  const base = measured / (memory.capacity * headroom)
  const wanted = Math.ceil(base + (isWaiting ? drainTerm(load, memory, base) : 0) - 1e-9)
  // Within the target, what there is will do.
  return placeless > 0 && !isWaiting ? Math.max(Math.min(wanted, current), 1) : wanted
}

/** Replicas for the backlog, beyond those for the load: at most as many again. */
function drainTerm(load: QueueLoad, memory: AutoscaleMemory, base: number): number {
  const { ready, nowMs } = load
  const perSecond = completionsPerSecond(memory, nowMs) / Math.max(ready, 1)
  return perSecond === 0 ? 0 : Math.min(placelessOf(load) / (perSecond * drainSeconds), base)
}

/** Little's law: requests at once = how many come in a second × how long one runs. */
function concurrencyWanted(memory: AutoscaleMemory, nowMs: number): number | undefined {
  const samples = memory.samples.filter(({ atMs }) => atMs > nowMs - capacityWindowMs)
  const done = completionsPerSecond(memory, nowMs)
  const [first, last] = [samples[0], samples.at(-1)]
  if (first === undefined || last === undefined || samples.length < 2 || done === 0) {
    return undefined
  }
  // Batches fill: few ended yet of those that began, and one would seem to run for ever.
  if (last.running - first.running > doneOf(last) - doneOf(first)) {
    return undefined
  }
  const running = samples.reduce((sum, sample) => sum + sample.running, 0) / samples.length
  return callsPerSecond(memory, nowMs) * (running / done)
}

function callsPerSecond(memory: AutoscaleMemory, nowMs: number): number {
  return perSecond(memory, nowMs, rateWindowMs, callsOf)
}

function completionsPerSecond(memory: AutoscaleMemory, nowMs: number): number {
  return perSecond(memory, nowMs, capacityWindowMs, doneOf)
}

function perSecond(
  { samples }: AutoscaleMemory,
  nowMs: number,
  windowMs: number,
  countOf: (sample: Sample) => number,
): number {
  const [first, last] = [oldestWithin(samples, nowMs, windowMs), samples.at(-1)]
  return first === undefined || last === undefined || last.atMs <= first.atMs
    ? 0
    : Math.max(0, countOf(last) - countOf(first)) / ((last.atMs - first.atMs) / 1000)
}

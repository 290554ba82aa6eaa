import {
  oldestWithin,
  rememberSample,
  type AutoscaleMemory,
  type Sample,
} from './autoscale-memory.ts'

export interface AutoscalePolicy {
  readonly minReplicas: number
  readonly maxReplicas: number
  /** Requests that may wait for each ready replica. */
  readonly targetQueueDepth: number
  readonly scaleToZeroAfterSeconds: number
  readonly scaleDownStabilizationSeconds: number
}

/** One moment of one pool. All times are milliseconds of one clock that never goes back. */
export interface AutoscaleInput {
  readonly policy: AutoscalePolicy
  readonly nowMs: number
  readonly demand: {
    /** In gateways and engines alike. */
    readonly waiting: number
    readonly running: number
    /** Since the gateways started; may fall when one restarts. */
    readonly arrivals: number
    /** Every gateway was heard lately: only then may anything go. */
    readonly isFresh: boolean
  }
  readonly replicas: {
    /** What is asked of the cluster now. */
    readonly current: number
    readonly ready: number
  }
  /** A revision waits to be judged by a running engine. */
  readonly isJudging: boolean
}

export interface AutoscaleDecision {
  readonly desired: number
  readonly memory: AutoscaleMemory
  /** For logs and events. */
  readonly words: string
}

/** Replicas are kept at so much of what they can run at once. */
const headroom = 0.8
/** A backlog is to be gone in about so long. */
const drainSeconds = 60
/**
 * While nobody knows how fast a replica is, never more than so many for each that is ready: what piles up during a
 * cold start of minutes says nothing about the load after it.
 */
const maxGrowth = 4
const rateWindowMs = 10_000
const capacityWindowMs = 60_000
/** Requests at once on a replica of which nothing is known. */
const assumedCapacity = 8

/**
 * How many replicas there should be: a jump to what the load asks for, never a step at a time; up at once, down to the
 * most that was wanted within the stabilisation time. Replicas that start count as if they were there.
 */
export function decideReplicas(input: AutoscaleInput, before: AutoscaleMemory): AutoscaleDecision {
  const { policy, nowMs, demand, replicas } = input
  const isAsked = demand.waiting + demand.running > 0 || input.isJudging
  const arrived = (before.samples.at(-1)?.arrivals ?? demand.arrivals) < demand.arrivals
  const sample: Sample = { atMs: nowMs, ...demand, ready: replicas.ready }
  const memory = rememberSample(before, sample, isAsked || arrived)
  const wanted = bounded(wantedBy(input, memory), input, memory)
  const remembered = {
    ...memory,
    wants: [
      ...memory.wants.filter(
        ({ atMs }) => atMs > nowMs - policy.scaleDownStabilizationSeconds * 1000,
      ),
      { atMs: nowMs, wanted },
    ],
  }
  const { current } = replicas
  const within = clamp(current, policy.minReplicas, policy.maxReplicas)
  if (wanted >= within) {
    const words = wanted > current ? wordsOf(input, wanted) : 'enough'
    return { desired: wanted, memory: remembered, words }
  }
  return { ...downTo(wanted, within, input, remembered), memory: remembered }
}

function downTo(
  wanted: number,
  current: number,
  { policy, nowMs, demand }: AutoscaleInput,
  memory: AutoscaleMemory,
): { readonly desired: number; readonly words: string } {
  if (!demand.isFresh) {
    return { desired: current, words: 'a gateway is silent: nothing goes' }
  }
  const windowMs = policy.scaleDownStabilizationSeconds * 1000
  // To zero has its own, longer wait; it is in `wanted` already.
  if (nowMs - memory.sinceMs < windowMs && wanted > 0) {
    return { desired: current, words: 'not watched for long enough yet' }
  }
  const most = Math.max(...memory.wants.map((want) => want.wanted))
  const desired = wanted === 0 ? 0 : Math.min(current, most)
  return { desired, words: desired < current ? `${desired} are enough for the load` : 'enough' }
}

/** Before bounds. */
function wantedBy(input: AutoscaleInput, memory: AutoscaleMemory): number {
  const { demand, replicas, policy } = input
  const work = demand.waiting + demand.running
  const { ready, current } = replicas
  if (work === 0 && arrivalsPerSecond(memory, input.nowMs) === 0) {
    return 0
  }
  const isWaiting = demand.waiting > policy.targetQueueDepth * Math.max(ready, 1)
  const measured = concurrencyWanted(memory, input.nowMs)
  if (measured === undefined || ready === 0) {
    const each = (memory.capacity ?? assumedCapacity) + policy.targetQueueDepth
    return Math.min(Math.ceil(work / each), maxGrowth * Math.max(ready, 1))
  }
  if (memory.capacity === undefined) {
    // It never had more than it could run: how much that is, a smaller number of replicas will tell.
    const each = demand.running / ready + policy.targetQueueDepth
    return Math.min(Math.ceil(Math.max(measured, work) / each), Math.max(current, 1))
  }
  const base = measured / (memory.capacity * headroom)
  const wanted = Math.ceil(base + (isWaiting ? drainTerm(input, memory, base) : 0) - 1e-9)
  // Within the target, what there is will do.
  return demand.waiting > 0 && !isWaiting ? Math.max(Math.min(wanted, current), 1) : wanted
}

/** Replicas for the backlog, beyond those for the load: at most as many again. */
function drainTerm(input: AutoscaleInput, memory: AutoscaleMemory, base: number): number {
  const { ready } = input.replicas
  const perSecond = completionsPerSecond(memory, input.nowMs) / Math.max(ready, 1)
  return perSecond === 0 ? 0 : Math.min(input.demand.waiting / (perSecond * drainSeconds), base)
}

/** Little's law: requests at once = how many come in a second × how long one runs. */
function concurrencyWanted(memory: AutoscaleMemory, nowMs: number): number | undefined {
  const samples = memory.samples.filter(({ atMs }) => atMs > nowMs - capacityWindowMs)
  const done = completionsPerSecond(memory, nowMs)
  if (samples.length < 2 || done === 0) {
    return undefined
  }
  const running = samples.reduce((sum, sample) => sum + sample.running, 0) / samples.length
  const rate = arrivalsPerSecond(memory, nowMs)
  return rate * (running / done)
}

function arrivalsPerSecond({ samples }: AutoscaleMemory, nowMs: number): number {
  const [first, last] = [oldestWithin(samples, nowMs, rateWindowMs), samples.at(-1)]
  return first === undefined || last === undefined || last.atMs <= first.atMs
    ? 0
    : Math.max(0, last.arrivals - first.arrivals) / ((last.atMs - first.atMs) / 1000)
}

function completionsPerSecond({ samples }: AutoscaleMemory, nowMs: number): number {
  const [first, last] = [oldestWithin(samples, nowMs, capacityWindowMs), samples.at(-1)]
  if (first === undefined || last === undefined || last.atMs <= first.atMs) {
    return 0
  }
  const done = (sample: Sample): number => sample.arrivals - sample.waiting - sample.running
  return Math.max(0, done(last) - done(first)) / ((last.atMs - first.atMs) / 1000)
}

function bounded(wanted: number, input: AutoscaleInput, memory: AutoscaleMemory): number {
  const { policy, nowMs, demand } = input
  const idleMs = nowMs - memory.askedAtMs
  const isIdle = idleMs >= policy.scaleToZeroAfterSeconds * 1000 && demand.isFresh
  const asleep = input.replicas.current === 0 && demand.waiting + demand.running === 0
  const mayBeZero = !input.isJudging && (isIdle || asleep)
  return clamp(wanted, Math.max(policy.minReplicas, mayBeZero ? 0 : 1), policy.maxReplicas)
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high)
}

function wordsOf({ demand, replicas, isJudging }: AutoscaleInput, wanted: number): string {
  const load = `${demand.running} requests run and ${demand.waiting} wait on ${replicas.ready} ready replicas`
  return isJudging && demand.running + demand.waiting === 0
    ? 'a new revision has to be judged'
    : `${load}: ${wanted} are wanted`
}

import { rememberNeed, rememberSample, type AutoscaleMemory } from './autoscale-memory.ts'
import { callsOf, placelessOf, type Sample } from './autoscale-sample.ts'
import { needAfterBurst, needAhead } from './growth.ts'
import { queueNeed } from './queue-need.ts'
import { tokenNeed, type ServiceTarget } from './token-need.ts'

export interface AutoscalePolicy {
  readonly minReplicas: number
  readonly maxReplicas: number
  /** Requests that may wait for each ready replica. */
  readonly targetQueueDepth: number
  readonly scaleToZeroAfterSeconds: number
  /** How long fewer have to be enough before one goes: at most, where the cold start is known. */
  readonly scaleDownStabilizationSeconds: number
}

/** One moment of one pool. All times are milliseconds of one clock that never goes back. */
export interface AutoscaleInput {
  readonly policy: AutoscalePolicy
  readonly nowMs: number
  readonly demand: {
    /** In gateways and engines alike. */
    readonly waiting: number
    /** Of these, for adapters that have to be loaded first; absent: none. */
    readonly cold?: number | undefined
    readonly running: number
    /** Since the gateways started; may fall when one restarts. */
    readonly arrivals: number
    /** Of any kind, as `waiting` and `running` are, those that are no work for a GPU, too; absent: `arrivals`. */
    readonly calls?: number | undefined
    /** Prompt tokens of all that arrived; absent: not known. */
    readonly inputTokens?: number | undefined
    /** Tokens of answers that ended, since the gateways started; absent: not known. */
    readonly outputTokens?: number | undefined
    /** These answers, without requests that were refused or failed; absent: every request that ended has one. */
    readonly answers?: number | undefined
    /** Every gateway was heard lately: only then may anything go. */
    readonly isFresh: boolean
  }
  readonly replicas: {
    /** What is asked of the cluster now. */
    readonly current: number
    readonly ready: number
    /** Distinct adapters in flight on each that is ready, summed; absent: none. */
    readonly activeAdapters?: number | undefined
  }
  /** A revision waits to be judged by a running engine. */
  readonly isJudging: boolean
  /** What the pool promises and its engines cost; absent: replicas follow the queue. */
  readonly service?: ServiceTarget | undefined
}

export interface AutoscaleDecision {
  readonly desired: number
  readonly memory: AutoscaleMemory
  /** For logs and events. */
  readonly words: string
}

/**
 * Replicas beyond the need n are so many times √n, for what is chance in the load: square-root staffing (S. Halfin and W. Whitt,
 * 1981). At 0.56, 98–99 % keep the objective (`test/bars/lab-autoscaling.ts`)…
 */
const sparePreset = 0.56
/** …and more are asked for only once there would be so much more. What is between is noise. */
const tolerance = 0.085
/** A load that grows as it did in seven of ten moments lately finds replicas… */
const orderQuantile = 0.7
/** …and what could be needed again before it could be back is kept, however rare such a growth was. */
const keepQuantile = 1
/** A backlog is to be gone in about so long… */
const drainSeconds = 60
/** …by at most so many replicas for each that the load needs: a backlog passes, and replicas cost a cold start. */
const mostDrain = 0.15
/** Rates are those of a minute: what goes sooner may be missed in the next. */
const leastKeepMs = 60_000

/**
 * How many replicas there should be: a jump to what the load asks for, never a step at a time; up at once, down to the
 * most that was wanted for about a cold start. Replicas that start count as if they were there.
 */
export function decideReplicas(input: AutoscaleInput, before: AutoscaleMemory): AutoscaleDecision {
  const { policy, nowMs, demand, replicas } = input
  const isAsked = demand.waiting + demand.running > 0 || input.isJudging
  const sample: Sample = { atMs: nowMs, ...demand, ...replicas }
  const last = before.samples.at(-1) ?? sample
  const arrived = callsOf(last) < callsOf(sample)
  const sampled = rememberSample(before, sample, isAsked || arrived, replicas.current)
  const known = input.service === undefined ? undefined : tokenNeed(sampled, nowMs, input.service)
  const need = known?.need
  const memory = known === undefined ? sampled : rememberNeed(sampled, nowMs, known)
  const load = need === undefined ? queueWanted(input, memory) : loadWanted(input, memory, need)
  const backlog = need === undefined ? 0 : drainTerm(input, memory, need)
  const lasting = bounded(load, input, memory)
  const wanted = bounded(load + backlog, input, memory)
  const keepMs = keepAliveMs(policy, memory)
  const remembered = {
    ...memory,
    // Only the most of them counts: one that another was as much as later never decides again.
    wants: [
      ...memory.wants.filter(
        (want) =>
          want.atMs > nowMs - keepMs && (want.lasting > lasting || want.withBacklog > wanted),
      ),
      { atMs: nowMs, lasting, withBacklog: wanted },
    ],
  }
  const { current } = replicas
  const within = clamp(current, policy.minReplicas, policy.maxReplicas)
  if (wanted >= within) {
    const words = wanted > current ? wordsOf(input, wanted) : 'enough'
    return { desired: wanted, memory: remembered, words }
  }
  const mayReturn = need === undefined ? Infinity : mostReturning(input, memory, need)
  return { ...downTo(wanted, within, mayReturn, input, remembered), memory: remembered }
}

/**
 * Another cold start costs as much GPU time as a replica that is kept for as long, so that is how long one is kept: never
 * more than twice what was needed (ski rental; A. Karlin et al., 1988).
 */
function keepAliveMs(policy: AutoscalePolicy, { coldStart }: AutoscaleMemory): number {
  const mostMs = policy.scaleDownStabilizationSeconds * 1000
  return coldStart.ms === undefined ? mostMs : Math.min(mostMs, Math.max(coldStart.ms, leastKeepMs))
}

/** Replicas that the load may need again within a cold start, as it grew lately. */
function mostReturning({ nowMs, service }: AutoscaleInput, memory: AutoscaleMemory, need: number) {
  const { coldStart, levels } = memory
  const [first] = levels
  if (coldStart.ms === undefined || first === undefined || first.atMs > nowMs - coldStart.ms) {
    return Infinity
  }
  const growth = { coldStartMs: coldStart.ms, quantile: keepQuantile }
  return Math.ceil(staffed(needAfterBurst(levels, nowMs, need, growth), service))
}

function staffed(need: number, service: ServiceTarget | undefined): number {
  return need + (service?.spare ?? sparePreset) * Math.sqrt(need)
}

function downTo(
  wanted: number,
  current: number,
  mayReturn: number,
  { policy, nowMs, demand, replicas, service }: AutoscaleInput,
  memory: AutoscaleMemory,
): { readonly desired: number; readonly words: string } {
  if (!demand.isFresh) {
    return { desired: current, words: 'a gateway is silent: nothing goes' }
  }
  // The queue says nothing of the load after it: what starts for those who wait is not taken back before it is there.
  if (service === undefined && placelessOf(demand) > 0 && replicas.ready < current) {
    return { desired: current, words: 'replicas start, and somebody waits for them' }
  }
  // To zero has its own, longer wait; it is in `wanted` already.
  if (nowMs - memory.sinceMs < keepAliveMs(policy, memory) && wanted > 0) {
    return { desired: current, words: 'not watched for long enough yet' }
  }
  // What piled up is gone soon; replicas for it are kept no longer than it would take. What no growth lately would need again
  // before it could be ordered anew is kept no longer, either.
  const most = Math.max(
    ...memory.wants.map(({ atMs, lasting, withBacklog }) =>
      atMs > nowMs - drainSeconds * 1000 ? withBacklog : Math.min(lasting, mayReturn),
    ),
  )
  const desired = wanted === 0 ? 0 : Math.min(current, most)
  return { desired, words: desired < current ? `${desired} are enough for the load` : 'enough' }
}

function queueWanted({ demand, replicas, policy, nowMs }: AutoscaleInput, memory: AutoscaleMemory) {
  const { targetQueueDepth } = policy
  return queueNeed({ ...demand, ...replicas, targetQueueDepth, nowMs }, memory)
}

/** For a load as it will be when replicas are there that are ordered now. Before bounds. */
function loadWanted(input: AutoscaleInput, memory: AutoscaleMemory, need: number): number {
  const { nowMs, replicas } = input
  const {
    coldStart: { ms: coldStartMs },
    levels,
  } = memory
  const coming =
    coldStartMs === undefined
      ? need
      : Math.max(
          needAhead(levels, nowMs, need, coldStartMs),
          needAfterBurst(levels, nowMs, need, { coldStartMs, quantile: orderQuantile }),
        )
  const wanted = staffed(coming, input.service)
  const isEnough = wanted <= replicas.current * (1 + tolerance)
  return isEnough ? Math.min(wanted, replicas.current) : wanted
}

/** What waits, in seconds of a replica, by the time in which it should be gone. */
function drainTerm(
  { demand, replicas, policy }: AutoscaleInput,
  memory: AutoscaleMemory,
  need: number,
) {
  const [first, last] = [memory.samples[0], memory.samples.at(-1)]
  const placeless = placelessOf(demand)
  const isWaiting = placeless > policy.targetQueueDepth * Math.max(replicas.ready, 1)
  if (!isWaiting || first === undefined || last === undefined || last.arrivals <= first.arrivals) {
    return 0
  }
  const perSecond = ((last.arrivals - first.arrivals) * 1000) / (last.atMs - first.atMs)
  const replicaSeconds = placeless * (need / perSecond)
  return Math.min(replicaSeconds / drainSeconds, mostDrain * need)
}

function bounded(wanted: number, input: AutoscaleInput, memory: AutoscaleMemory): number {
  const { policy, nowMs, demand } = input
  const idleMs = nowMs - memory.askedAtMs
  const isOpen = demand.waiting + demand.running > 0
  const isIdle = !isOpen && idleMs >= policy.scaleToZeroAfterSeconds * 1000 && demand.isFresh
  const asleep = !isOpen && input.replicas.current === 0
  const mayBeZero = !input.isJudging && (isIdle || asleep)
  return clamp(
    // What is known of the load fades, and is never nothing.
    mayBeZero ? 0 : Math.max(1, Math.ceil(wanted - 1e-9)),
    policy.minReplicas,
    policy.maxReplicas,
  )
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

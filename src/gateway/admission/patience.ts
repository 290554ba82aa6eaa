import type { ModelPool } from '../../api/model-pool.ts'

/** How long a request may wait; all times are monotonic milliseconds. */
export interface Patience {
  /** When the wait is over while an engine of the pool is there. */
  readonly deadline: number
  /** Undefined where no engine is to come, and where the wait may be no longer for it. */
  readonly coldStart: ColdStart | undefined
}

interface ColdStart {
  /** When the wait is over while no engine is ready. */
  readonly deadline: number
  /** What it may take from then on. */
  readonly queueMs: number
  /** It came when none was ready: one of a crowd, for whom more engines may be on their way than the first. */
  readonly cameCold: boolean
}

/** Since when a pool has an engine that is ready, and since when no other one is starting; undefined: not so. */
export interface PoolWarmth {
  readonly warmSince: number | undefined
  readonly settledSince: number | undefined
}

export interface WaitLimits {
  readonly maxQueueMs: number
  readonly maxColdStartMs: number
}

export interface Arrival {
  /** What the caller said; undefined: as long as we like. */
  readonly waitMs: number | undefined
  /** No engine of the pool is ready. */
  readonly isCold: boolean
  readonly now: number
}

/** A pool without a ready engine is waited for as long as its engines may take to start: that is minutes on a GPU. */
export function patienceOf(
  pool: ModelPool,
  { maxQueueMs, maxColdStartMs }: WaitLimits,
  { waitMs = Infinity, isCold, now }: Arrival,
): Patience {
  const queueMs = Math.min(waitMs, maxQueueMs)
  const startMs = pool.spec.engine.startupTimeoutSeconds * 1000
  const coldMs = expectsEngine(pool) ? Math.min(waitMs, startMs, maxColdStartMs) : 0
  return {
    deadline: now + queueMs,
    coldStart: coldMs > queueMs ? { deadline: now + coldMs, queueMs, cameCold: isCold } : undefined,
  }
}

/**
 * When the wait is over. Whoever waited for a start has the time of a queue from then on, because engines come with one
 * adapter after the other.
 */
export function endOfWait({ deadline, coldStart }: Patience, warmth: PoolWarmth): number {
  if (coldStart === undefined) {
    return deadline
  }
  const since = coldStart.cameCold ? warmth.settledSince : warmth.warmSince
  return since === undefined
    ? coldStart.deadline
    : Math.min(coldStart.deadline, Math.max(deadline, since + coldStart.queueMs))
}

/** Somebody makes one, or has it made at the first call. */
function expectsEngine({ spec }: ModelPool): boolean {
  const most = spec.scaling?.maxReplicas ?? spec.replicas
  return !spec.paused && spec.engine.endpoints.length === 0 && most > 0
}

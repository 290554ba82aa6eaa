/** How long a replica takes from its order until it serves, learned from counts alone. */
export interface ColdStart {
  /** Undefined until one was seen. Milliseconds. */
  readonly ms: number | undefined
  /** When those that are not ready were ordered, oldest first. */
  readonly orders: readonly number[]
  /** That were ready, are not, and were not taken back: they come again without an order, in no cold start. */
  readonly lost: number
  readonly current: number
  readonly ready: number
}

export interface ReplicaCounts {
  readonly nowMs: number
  /** Asked for. */
  readonly current: number
  readonly ready: number
}

/** Weight of another one: nodes, images and caches differ, so the last few count. */
const learning = 0.3

export const noColdStart: ColdStart = { ms: undefined, orders: [], lost: 0, current: -1, ready: 0 }

/** Replicas come up in the order in which they were asked for; of those that are taken back the youngest go first. */
export function noteReplicas(
  before: ColdStart,
  { nowMs, current, ready }: ReplicaCounts,
): ColdStart {
  if (before.current < 0) {
    return { ...before, lost: Math.max(0, current - ready), current, ready }
  }
  const more = Math.max(0, current - before.current)
  const fewer = Math.max(0, before.current - current)
  const asked = [...before.orders, ...Array.from({ length: more }, () => nowMs)]
  const kept = asked.slice(0, Math.max(0, asked.length - fewer))
  const fallen = Math.max(0, before.ready - ready)
  const lost = Math.max(0, before.lost + fallen - Math.max(0, fewer - asked.length))
  const risen = Math.max(0, ready - before.ready)
  const back = Math.min(lost, risen)
  const up = risen - back
  const ms = kept
    .slice(0, up)
    .map((orderedMs) => nowMs - orderedMs)
    .reduce<number | undefined>(
      (known, seen) => (known === undefined ? seen : known + learning * (seen - known)),
      before.ms,
    )
  const orders = kept.slice(up)
  // Who is not there, and was not ordered: not one whose successor is there already.
  const missing = Math.max(0, current - ready - orders.length)
  return { ms, orders, lost: Math.min(lost - back, missing), current, ready }
}

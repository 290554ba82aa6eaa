/**
 * Copies of each adapter by its part of all load: that part of all slots, rounded up, at most one a replica. Where that is
 * more than there are slots, all are scaled down and what rounding leaves goes to the largest remainders.
 * Source: NVIDIA Dynamo, lib/llm/src/lora/controller.rs, compute_active_replica_counts.
 */
export function proportionalCopies(
  loads: readonly (readonly [string, number])[],
  slots: number,
  replicas: number,
): ReadonlyMap<string, number> {
  const total = loads.reduce((sum, [, load]) => sum + load, 0)
  const raw = loads.map(([adapter, load]) => {
    const copies = Math.min(replicas, Math.max(1, Math.ceil((load / total) * slots)))
    return { adapter, copies }
  })
  const sum = raw.reduce((all, { copies }) => all + copies, 0)
  if (sum <= slots) {
    return new Map(raw.map(({ adapter, copies }) => [adapter, copies]))
  }
  const scaled = raw.map(({ adapter, copies }) => {
    const exact = Math.max(1, (copies * slots) / sum)
    return { adapter, whole: Math.floor(exact), rest: exact - Math.floor(exact) }
  })
  let left = Math.max(0, slots - scaled.reduce((all, { whole }) => all + whole, 0))
  const counts = new Map<string, number>()
  for (const { adapter, whole } of scaled.sort((one, other) => other.rest - one.rest)) {
    const isMore = left > 0 && whole < replicas
    left -= isMore ? 1 : 0
    counts.set(adapter, whole + (isMore ? 1 : 0))
  }
  return counts
}

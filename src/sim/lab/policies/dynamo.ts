import type { LabReplica } from '../lab-replica.ts'
import type { RoutePolicy } from '../policy.ts'
import { leastBusy, sendTo } from './choose.ts'
import { hashWords } from './hash-words.ts'
import { proportionalCopies } from './proportional-copies.ts'
import { RecentSums } from './recent-sums.ts'

/** Dynamo's defaults: a rate window of 30 steps of 3 s, and as many copies for three steps before there are fewer. */
const windowMs = 90_000
const stepMs = 3000
const cooldownSteps = 3

/**
 * Copies in proportion to load, as many as there are slots; each at the first replicas of its hash's order that have a slot
 * left. Requests go to the least busy of them, an adapter without load to its first. Its router loads on first use.
 */
export function dynamoHrw(): RoutePolicy {
  const arrivals = new RecentSums(windowMs)
  let hosts = new Map<string, readonly LabReplica[]>()
  let plannedMs = -Infinity
  const fewerSince = new Map<string, number>()

  const plan = (replicas: readonly LabReplica[], nowMs: number): void => {
    const slots = replicas.reduce((sum, replica) => sum + replica.slots, 0)
    const loads = [...arrivals.sums(nowMs)].sort(byAdapter)
    const copies = proportionalCopies(loads, slots, replicas.length)
    const used = new Map<LabReplica, number>()
    const planned = new Map<string, readonly LabReplica[]>()
    // In one order wherever it is planned, so that all routers charge slots alike.
    for (const [adapter, wanted] of [...copies].sort(byAdapter)) {
      const before = hosts.get(adapter)?.length ?? 0
      const count = afterCooldown(fewerSince, adapter, wanted, before, nowMs)
      const chosen = firstWithSlots(rankedFor(Number(adapter), replicas), count, used)
      for (const replica of chosen) {
        used.set(replica, (used.get(replica) ?? 0) + 1)
      }
      planned.set(adapter, chosen)
    }
    hosts = planned
  }

  return {
    name: 'dynamo-hrw',
    source: 'NVIDIA Dynamo, lib/llm/src/lora/controller.rs and routing/hrw.rs',
    isPlanned: false,
    route(request, { replicas, nowMs, random }) {
      const adapter = String(request.adapter?.id ?? 0)
      if (nowMs - plannedMs >= stepMs) {
        plan(replicas, nowMs)
        plannedMs = nowMs
      }
      arrivals.add(adapter, 1, nowMs)
      const here = (hosts.get(adapter) ?? []).filter((replica) => replicas.includes(replica))
      const [first] = here.length === 0 ? rankedFor(Number(adapter), replicas) : []
      return sendTo(
        request.adapter === undefined
          ? leastBusy(replicas, random)
          : (first ?? leastBusy(here, random)),
      )
    },
  }
}

function byAdapter([left]: readonly [string, number], [right]: readonly [string, number]): number {
  return Number(left) - Number(right)
}

/** The first request for fewer copies is put off for three steps. */
function afterCooldown(
  since: Map<string, number>,
  adapter: string,
  wanted: number,
  before: number,
  nowMs: number,
): number {
  if (wanted >= before) {
    since.delete(adapter)
    return wanted
  }
  const sinceMs = since.get(adapter)
  if (sinceMs === undefined) {
    since.set(adapter, nowMs)
    return before
  }
  return nowMs - sinceMs < cooldownSteps * stepMs ? before : wanted
}

function rankedFor(adapter: number, replicas: readonly LabReplica[]): readonly LabReplica[] {
  return [...replicas].sort(
    (left, right) => hashWords(adapter, right.index) - hashWords(adapter, left.index),
  )
}

/** Fewer than `count` where slots are scarce; where no replica has one, slots do not matter. */
function firstWithSlots(
  ranked: readonly LabReplica[],
  count: number,
  used: ReadonlyMap<LabReplica, number>,
): readonly LabReplica[] {
  const free = ranked.filter((replica) => (used.get(replica) ?? 0) < replica.slots)
  return (free.length === 0 ? ranked : free).slice(0, count)
}

/** What an adapter is asked for, lately. */
export interface AdapterDemand {
  readonly adapter: number
  /** Requests a second. */
  readonly rate: number
  /** Copies that it may have, and that are of use: no more than there are replicas. */
  readonly most: number
}

export interface CopiesOptions {
  /** Replicas in a stable order of their own; results are indexes into it. */
  readonly replicas: number
  /** Every adapter's replicas, best first: the same for all who plan. */
  readonly ranked: (adapter: number) => readonly number[]
  /** Work that one request a second brings to a replica, and work that a further adapter there brings, in any one unit. */
  readonly requestWork: number
  readonly adapterWork: (rate: number) => number
  /** A replica takes at most so much more than the mean: bounded load (V. Mirrokni et al., arXiv:1608.01350). */
  readonly slack: number
  /** …and keeps what it has up to so much more, so that chance moves nothing… */
  readonly keptSlack: number
  /** …until one has so much more than the mean, and at least so much work more: then what is there counts as if it came. */
  readonly uneven: number
  readonly leastUneven: number
  /** Adapters for which a replica has room: for new ones, and for those that it has. */
  readonly room: (replica: number, isKept: boolean) => number
  /** The replica has a copy of it. */
  readonly isKept: (adapter: number, replica: number) => boolean
  /** Part of a replica's share that one copy may fill before there is another, and so much more before one is loaded. */
  readonly copyShare: number
  readonly copySlack: number
  /** The same where there is room for more: they cost memory only, and bursts find more replicas to go to. */
  readonly leastCopyShare: number
}

/** Adapter to the replicas that hold it. */
export type CopiesPlan = ReadonlyMap<number, readonly number[]>

/**
 * Figures of `test/bars/lab-placement.ts`, `lab-loads.ts` and `lab-memory.ts`. Two copies before one replica is half full of one,
 * and where there is room before it is an eighth full: at a sixteenth demand that scatters moves copies.
 */
export const copiesDefaults = {
  slack: 0.1,
  keptSlack: 0.8,
  uneven: 0.3,
  leastUneven: 0,
  copyShare: 0.5,
  copySlack: 0.3,
  leastCopyShare: 0.125,
} as const
/** Of all room, copies may take so much before they are as many as there is room for. */
const mostFilled = 0.92
/** All are moved where that takes so much from the one that has most. */
const leastGain = 0.1

/**
 * Where adapters belong: as few copies as their load allows where room is scarce, so that a replica sees few distinct
 * adapters, and more where there is room. The busiest first, each at the first replicas of its order that are not over
 * their share.
 */
export function planCopies(demands: readonly AdapterDemand[], given: CopiesOptions): CopiesPlan {
  const { replicas, requestWork, adapterWork, slack, uneven, leastUneven } = given
  const total = demands.reduce((sum, { rate }) => sum + rate * requestWork + adapterWork(rate), 0)
  const mean = total / replicas
  const options = { ...given, copyShare: copyShareFor(demands, given, mean) }
  const { plan, loads } = planWithin(demands, options, mean)
  const most = Math.max(...loads)
  // Replicas that have just come have nothing that could stay: then all share what there is. One that has copies enough, of what
  // is little asked for, is no reason to move dozens.
  const low = loads.flatMap((load, replica) => (load < mean / 2 ? [replica] : []))
  const isNew = low.length > 0 && hasNew(low, demands, options)
  if (!isNew && most <= mean + Math.max(uneven * mean, leastUneven)) {
    return plan
  }
  const even = planWithin(demands, { ...options, keptSlack: slack }, mean)
  return isNew || Math.max(...even.loads) < most * (1 - leastGain) ? even.plan : plan
}

/** As small as there is room for the copies that come of it, in halves: what is there for more is there for fewer, too. */
function copyShareFor(
  demands: readonly AdapterDemand[],
  { replicas, requestWork, room, copyShare, leastCopyShare }: CopiesOptions,
  mean: number,
): number {
  let rooms = 0
  for (let replica = 0; replica < replicas; replica += 1) {
    rooms += room(replica, false)
  }
  let share = copyShare
  for (let finer = share / 2; finer >= leastCopyShare; finer /= 2) {
    const each = finer * mean
    const copies = demands.reduce(
      (sum, { rate, most }) => sum + copiesFor(rate * requestWork, each, most),
      0,
    )
    if (copies > rooms * mostFilled) {
      break
    }
    share = finer
  }
  return share
}

/** @param each work that one copy may have */
function copiesFor(work: number, each: number, most: number): number {
  return Math.min(most, Math.max(1, Math.ceil(work / each)))
}

/** One of them has less than a quarter of the copies that replicas have in the mean, of what is asked for. */
function hasNew(
  among: readonly number[],
  demands: readonly AdapterDemand[],
  { replicas, isKept }: CopiesOptions,
): boolean {
  const copies = Array.from({ length: replicas }, (_, replica) =>
    demands.reduce((count, { adapter }) => count + Number(isKept(adapter, replica)), 0),
  )
  const mean = copies.reduce((sum, count) => sum + count, 0) / replicas
  return among.some((replica) => (copies[replica] ?? 0) < mean / 4)
}

function planWithin(
  demands: readonly AdapterDemand[],
  options: CopiesOptions,
  mean: number,
): { readonly plan: CopiesPlan; readonly loads: readonly number[] } {
  const { replicas, requestWork, adapterWork, isKept, room } = options
  const { slack, keptSlack, copyShare, copySlack } = options
  const loads = Array.from({ length: replicas }, () => 0)
  const counts = Array.from({ length: replicas }, () => 0)
  const plan = new Map<number, readonly number[]>()
  for (const { adapter, rate, most } of [...demands].sort(busiestFirst)) {
    const work = rate * requestWork
    const order = options.ranked(adapter)
    const kept = order.filter((replica) => isKept(adapter, replica)).length
    const wanted = copiesFor(work, copyShare * mean, most)
    const needed = copiesFor(work, copyShare * (1 + copySlack) * mean, most)
    const copies = Math.min(wanted, Math.max(needed, kept))
    const each = work / copies + adapterWork(rate / copies)
    const hasRoom = (replica: number): boolean => {
      const isThere = isKept(adapter, replica)
      const bound = mean * (1 + (isThere ? keptSlack : slack))
      return (
        (loads[replica] ?? 0) + each <= bound && (counts[replica] ?? 0) < room(replica, isThere)
      )
    }
    const hosts = hostsOf(order, loads, copies, hasRoom)
    for (const host of hosts) {
      loads[host] = (loads[host] ?? 0) + each
      counts[host] = (counts[host] ?? 0) + 1
    }
    plan.set(adapter, hosts)
  }
  return { plan, loads }
}

function busiestFirst(left: AdapterDemand, right: AdapterDemand): number {
  return right.rate - left.rate || left.adapter - right.adapter
}

/** The first of its order that have room; where too few have, the least loaded of the rest. */
function hostsOf(
  ranked: readonly number[],
  loads: readonly number[],
  copies: number,
  hasRoom: (replica: number) => boolean,
): readonly number[] {
  const hosts: number[] = []
  for (const replica of ranked) {
    if (hosts.length < copies && hasRoom(replica)) {
      hosts.push(replica)
    }
  }
  if (hosts.length === copies) {
    return hosts
  }
  const rest = ranked
    .filter((replica) => !hosts.includes(replica))
    .sort((left, right) => (loads[left] ?? 0) - (loads[right] ?? 0))
  return [...hosts, ...rest.slice(0, copies - hosts.length)]
}

/** What an adapter is asked for, lately. */
export interface AdapterDemand {
  readonly adapter: number
  /** Requests a second. */
  readonly rate: number
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
  /** …and keeps what it has up to so much more, so that chance moves nothing. */
  readonly keptSlack: number
  /** Adapters for which a replica has room: for new ones, and for those that it has. */
  readonly room: (replica: number, isKept: boolean) => number
  /** The replica has a copy of it. */
  readonly isKept: (adapter: number, replica: number) => boolean
  /** Part of a replica's share that one copy may fill before there is another. */
  readonly copyShare: number
}

/** Adapter to the replicas that hold it. */
export type CopiesPlan = ReadonlyMap<number, readonly number[]>

/** What new copies and those that are there already may add up to: figures of `test/bars/lab-placement.ts`, `lab-loads.ts`. Two copies before one replica is half full of one. */
export const copiesDefaults = { slack: 0.1, keptSlack: 0.8, copyShare: 0.5 } as const

/**
 * Where adapters belong: as few copies as their load allows, so that a replica sees few distinct adapters, the busiest
 * first, each at the first replicas of its order that are not over their share.
 */
export function planCopies(demands: readonly AdapterDemand[], options: CopiesOptions): CopiesPlan {
  const { replicas, requestWork, adapterWork, slack } = options
  const total = demands.reduce((sum, { rate }) => sum + rate * requestWork + adapterWork(rate), 0)
  const mean = total / replicas
  const { plan, loads } = planWithin(demands, options, mean)
  // Replicas that have just come have nothing that could stay: then all share what there is. One that has copies enough, of what
  // is little asked for, is no reason to move dozens.
  const low = loads.flatMap((load, replica) => (load < mean / 2 ? [replica] : []))
  return low.length > 0 && hasNew(low, demands, options)
    ? planWithin(demands, { ...options, keptSlack: slack }, mean).plan
    : plan
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
  const { replicas, requestWork, adapterWork, slack, keptSlack, isKept, room, copyShare } = options
  const loads = Array.from({ length: replicas }, () => 0)
  const counts = Array.from({ length: replicas }, () => 0)
  const plan = new Map<number, readonly number[]>()
  for (const { adapter, rate } of [...demands].sort(busiestFirst)) {
    const work = rate * requestWork
    const copies = Math.min(replicas, Math.max(1, Math.ceil(work / (copyShare * mean))))
    const each = work / copies + adapterWork(rate / copies)
    const hasRoom = (replica: number): boolean => {
      const isThere = isKept(adapter, replica)
      const most = mean * (1 + (isThere ? keptSlack : slack))
      return (loads[replica] ?? 0) + each <= most && (counts[replica] ?? 0) < room(replica, isThere)
    }
    const hosts = hostsOf(options.ranked(adapter), loads, copies, hasRoom)
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

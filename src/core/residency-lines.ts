import { rankReplicas } from './placement.ts'
import type { EngineCosts } from './route-cost.ts'
import type { KeptCopies, KeptCopy, ResidencyAsk, ResidencyHost } from './residency-ask.ts'

export interface MovesInput {
  readonly asks: readonly ResidencyAsk[]
  readonly hosts: readonly ResidencyHost[]
  /** The plan before; of what it does not name, what replicas hold counts (I12). */
  readonly previous: KeptCopies
  readonly nowMs: number
  /** When copies that nobody planned were wanted last: now after a start, when it is not known who calls them. */
  readonly heldNeededAtMs?: number
  /** False: since a start too little was seen to move what is there, or to have more of it (I12). */
  readonly isDemandKnown: boolean
  /** How long a request is open, in the mean, as counted. */
  readonly residenceSeconds: number
  /** What running requests and distinct adapters add to a step there, as gateways learned; absent: as on an H100. */
  readonly costs?: StepCosts | undefined
}

/** Milliseconds; only their ratio counts. */
export type StepCosts = Pick<EngineCosts, 'perRequestMs' | 'perAdapterMs'>

/** A copy that is not needed any more stays so long, so that demand that comes and goes moves nothing. */
export const leaseMs = 60_000
/** One revision while a plan is made. */
export interface ResidencyLine {
  readonly ask: ResidencyAsk
  /** Staying hosts by index, those that have a copy first: what is there already costs no load. */
  readonly ranked: () => readonly number[]
  /** Kept before, by host. */
  readonly kept: ReadonlyMap<number, number>
  readonly leaving: readonly KeptCopy[]
  /** Kept whatever is asked: within its lease, or the last one. */
  readonly pinned: ReadonlySet<number>
  readonly chosen: Set<number>
  wanted: readonly number[]
  /** Chosen ones that were not pinned. */
  added: number
}

/** What there is to place, in the order in which it is served. */
export function readLines(
  input: MovesInput,
  hosts: readonly ResidencyHost[],
): readonly ResidencyLine[] {
  const indexOf = new Map(hosts.map(({ name }, index) => [name, index]))
  const present = new Set(input.hosts.map(({ name }) => name))
  return input.asks
    .map((ask): ResidencyLine => {
      const kept = new Map<number, number>()
      const leaving: KeptCopy[] = []
      for (const copy of copiesBefore(ask, input)) {
        const index = indexOf.get(copy.replica)
        if (index !== undefined) {
          kept.set(index, copy.neededAtMs)
        } else if (present.has(copy.replica)) {
          leaving.push(copy)
        }
      }
      let ranked: readonly number[] | undefined
      return {
        ask,
        ranked: () => (ranked ??= rankOf(ask, kept, hosts, indexOf)),
        kept,
        leaving,
        pinned: pinnedOf(ask, kept, hosts, input.nowMs),
        chosen: new Set(),
        wanted: [],
        added: 0,
      }
    })
    .sort(firstServed)
}

function rankOf(
  ask: ResidencyAsk,
  kept: ReadonlyMap<number, number>,
  hosts: readonly ResidencyHost[],
  indexOf: ReadonlyMap<string, number>,
): readonly number[] {
  const order = rankReplicas(ask.revision, hosts).map((name) => indexOf.get(name) ?? 0)
  const others = order.filter((host) => !kept.has(host))
  const isThere = (host: number): boolean => hosts[host]?.holds(ask.revision) === true
  return [...kept.keys(), ...others.filter(isThere), ...others.filter((host) => !isThere(host))]
}

/** Of what was not planned the past is what replicas have: after a start, after a cold call, and when all fitted before. */
function copiesBefore(
  ask: ResidencyAsk,
  { previous, hosts, nowMs, heldNeededAtMs = nowMs }: MovesInput,
): readonly KeptCopy[] {
  const { revision } = ask
  const before = previous.get(revision) ?? []
  if (before.length > 0 || !isAsked(ask)) {
    return before
  }
  // In an order of each revision's own, or all would stay on the same few.
  const holders = hosts.filter(({ holds }) => holds(revision))
  return rankReplicas(revision, holders).map((replica) => ({
    replica,
    neededAtMs: heldNeededAtMs,
  }))
}

/** Promised, or called. */
export function isAsked({ least, rate, open }: ResidencyAsk): boolean {
  return least > 0 || rate > 0 || open > 0
}

function pinnedOf(
  ask: ResidencyAsk,
  kept: ReadonlyMap<number, number>,
  hosts: readonly ResidencyHost[],
  nowMs: number,
): ReadonlySet<number> {
  const { revision, most } = ask
  // Those that are there come first: above the most, others go at once.
  const isThere = (host: number): boolean => hosts[host]?.holds(revision) === true
  const copies = [...kept.keys()]
  const allowed = new Set(
    [...copies.filter(isThere), ...copies.filter((host) => !isThere(host))].slice(0, most),
  )
  const pinned = new Set([...allowed].filter((host) => nowMs - (kept.get(host) ?? 0) < leaseMs))
  const last = [...allowed].find(isThere)
  if (isAsked(ask) && last !== undefined && ![...pinned].some(isThere)) {
    pinned.add(last)
  }
  return pinned
}

/** What is there stays before anything new comes; then what is asked for most. */
function firstServed(left: ResidencyLine, right: ResidencyLine): number {
  return (
    Number(right.pinned.size > 0) - Number(left.pinned.size > 0) ||
    right.ask.rate - left.ask.rate ||
    right.ask.open - left.ask.open ||
    (left.ask.revision < right.ask.revision ? -1 : 1)
  )
}

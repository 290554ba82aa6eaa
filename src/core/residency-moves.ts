import { copiesDefaults, planCopies } from './copies-plan.ts'
import { HostRooms } from './host-rooms.ts'
import type { KeptCopies, KeptCopy, ResidencyAsk, ResidencyHost } from './residency-ask.ts'
import {
  isAsked,
  readLines,
  type MovesInput,
  type ResidencyLine,
  type StepCosts,
} from './residency-lines.ts'

export interface ResidencyMoves {
  readonly copies: KeptCopies
  /** Fewer copies than promised: the host caches are full. */
  readonly short: ReadonlySet<string>
  /** Asked for, and without a place: replicas that should have its files, so that a cold call waits for less. */
  readonly onDisk: ReadonlyMap<string, readonly string[]>
}

/** Loads by demand that one plan may order on one replica: one a second, planned every five. */
const loadsEach = 5
/** Copies leave the rest of a host cache for cold calls and for vLLM's ghosts (a quarter, DESIGN 2.2), promised ones if they
 * can. */
const extraShare = 3 / 4
/** …and where they are more, some go elsewhere. */
const keptShare = 7 / 8
/** Where first copies fill nearly as much, there is so much more, for further ones up to an eighth of the cache that is left… */
const roomToMove = 1 / 8
/** …and for moves up to so much of it. */
const leastRoom = 1 / 16
/** A replica with fewer requests at once more than others is no reason to move anything. */
const leastUneven = 10
/** Replicas that get the files of what found no place. */
const diskCopies = 2
/** Before any were learned. Source: 89 public runs of vLLM with LoRA (F. Agulló et al., arXiv:2508.08343; fitted anew). */
const publishedCosts: StepCosts = { perRequestMs: 0.109, perAdapterMs: 0.463 }
/** What was learned may be wrong by much, as the two are hard to tell apart: copies do not come and go with it. */
const mostOff = 4
/** Of so many replicas, those that have a copy first, one that is not over its share is looked for; of a hundred, that finds
 * one as well as all of them would. */
const fewChoices = 16

/**
 * The next plan of one pool whose adapters do not all fit into every replica's host cache: copies by demand between what
 * is promised and what is allowed, hosts by rendezvous with bounded load, a copy that exists before one that has to be
 * loaded. Few moves: loads by demand within a budget, a lease on each copy, a new copy there before the old one goes, and
 * the last copy of what is promised or asked for stays.
 */
export function planMoves(input: MovesInput): ResidencyMoves {
  const staying = input.hosts.filter(({ isLeaving }) => !isLeaving)
  const hosts = staying.length === 0 ? input.hosts : staying
  const lines = readLines(input, hosts)
  const rooms = new HostRooms(hosts, loadsEach)
  for (const { pinned } of lines) {
    pinned.forEach((host) => rooms.take(host))
  }
  const shares = sharesFor(lines, hosts)
  wantByDemand(lines, hosts, shares, input)
  for (const line of lines) {
    placeFirst(line, rooms, shares)
  }
  // Further copies give way to promised ones, as soon as their leases end.
  const isFull = lines.some((line) => isShort(line, hosts))
  for (const line of isFull ? [] : lines) {
    placeExtra(line, rooms, shares)
  }
  return readPlan(lines, hosts, input.nowMs)
}

/** Parts of a host cache: for further copies, for what moves there, and for what is there. */
interface Shares {
  readonly extra: number
  readonly move: number
  readonly kept: number
}

function sharesFor(lines: readonly ResidencyLine[], hosts: readonly ResidencyHost[]): Shares {
  const capacity = hosts.reduce((sum, host) => sum + host.capacity, 0)
  const first = lines.reduce((sum, { ask }) => sum + firstCopies(ask), 0)
  const filled = first / capacity + roomToMove
  const extra = Math.max(extraShare, Math.min(filled, keptShare))
  const move = Math.max(extra, Math.min(filled, 1 - leastRoom))
  return { extra, move, kept: Math.max(keptShare, move + leastRoom) }
}

/** Copies that it has before anything has further ones. */
function firstCopies(ask: ResidencyAsk): number {
  return Math.min(ask.most, Math.max(ask.least, isAsked(ask) ? 1 : 0))
}

/** Where the copies that demand asks for belong, in the first place. */
function wantByDemand(
  lines: readonly ResidencyLine[],
  hosts: readonly ResidencyHost[],
  shares: Shares,
  { residenceSeconds, isDemandKnown, costs = publishedCosts }: MovesInput,
): void {
  const adapterWeight = adapterWeightOf(costs)
  const asked = lines.filter(({ ask }) => ask.rate > 0)
  const idle = hosts.map((_, host) =>
    lines.reduce((sum, { ask, pinned }) => sum + (ask.rate === 0 && pinned.has(host) ? 1 : 0), 0),
  )
  // More copies than requests at once serve nobody.
  const demands = asked.map(({ ask: { open, rate, most } }, adapter) => {
    const useful = Math.max(1, Math.ceil(Math.max(open, rate * residenceSeconds)))
    return { adapter, rate, most: Math.min(most, useful, hosts.length) }
  })
  const choices = asked.map(({ ask, kept, ranked }, at) =>
    // At its most, a move would be one copy too many for as long as the lease runs.
    ranked().slice(
      0,
      kept.size >= ask.most ? ask.most : Math.max(fewChoices, demands[at]?.most ?? 1),
    ),
  )
  const plan = planCopies(demands, {
    replicas: hosts.length,
    room: (replica, isKept) =>
      Math.floor((hosts[replica]?.capacity ?? 0) * (isKept ? shares.kept : shares.move)) -
      (idle[replica] ?? 0),
    ranked: (adapter) => choices[adapter] ?? [],
    isKept: (adapter, replica) => asked[adapter]?.kept.has(replica) === true,
    requestWork: residenceSeconds,
    adapterWork: (rate) => adapterWeight * (1 - Math.exp(-rate * residenceSeconds)),
    ...copiesDefaults,
    leastUneven,
    ...(isDemandKnown ? {} : nothingMoves),
  })
  for (const [adapter, line] of asked.entries()) {
    line.wanted = plan.get(adapter) ?? []
  }
}

const nothingMoves = { uneven: Infinity, copySlack: Infinity }

/** An adapter in flight, in requests in flight. */
function adapterWeightOf({ perRequestMs, perAdapterMs }: StepCosts): number {
  const published = publishedCosts.perAdapterMs / publishedCosts.perRequestMs
  const learned = perAdapterMs / perRequestMs
  return Number.isNaN(learned)
    ? published
    : Math.min(Math.max(learned, published / mostOff), published * mostOff)
}

/** What is promised, and one copy of what is asked for: first where it leaves room for cold calls, then anywhere. */
function placeFirst(line: ResidencyLine, rooms: HostRooms, { move }: Shares): void {
  const { wanted, pinned, chosen, ranked } = line
  const count = firstCopies(line.ask)
  const choices = [
    { places: () => wanted, share: move },
    { places: () => [...pinned], share: 1 },
    { places: ranked, share: extraShare },
    { places: () => wanted, share: 1 },
    { places: ranked, share: 1 },
  ]
  for (const { places, share } of choices) {
    for (const host of chosen.size < count ? places() : []) {
      if (chosen.size < count) {
        choose(line, host, rooms, share)
      }
    }
  }
}

function placeExtra(line: ResidencyLine, rooms: HostRooms, { extra }: Shares): void {
  for (const host of line.wanted) {
    choose(line, host, rooms, extra)
  }
}

function choose(line: ResidencyLine, host: number, rooms: HostRooms, share: number): void {
  const { ask, pinned, chosen } = line
  if (pinned.has(host)) {
    chosen.add(host)
    return
  }
  // No move of one that has a copy.
  const isPromised = pinned.size + line.added < ask.least
  if (
    !chosen.has(host) &&
    pinned.size + line.added < ask.most &&
    rooms.place(host, ask.revision, share, isPromised)
  ) {
    chosen.add(host)
    line.added += 1
  }
}

/** First copies have been chosen, and are fewer than promised. */
function isShort({ ask, chosen }: ResidencyLine, hosts: readonly ResidencyHost[]): boolean {
  return chosen.size < Math.min(ask.least, hosts.length)
}

function readPlan(
  lines: readonly ResidencyLine[],
  hosts: readonly ResidencyHost[],
  nowMs: number,
): ResidencyMoves {
  const copies = new Map<string, readonly KeptCopy[]>()
  const short = new Set<string>()
  const onDisk = new Map<string, readonly string[]>()
  const nameOf = (host: number): string => hosts[host]?.name ?? ''
  for (const line of lines) {
    const { ask, ranked, kept, leaving, pinned, chosen } = line
    const stays = [...chosen, ...[...pinned].filter((host) => !chosen.has(host))]
    copies.set(ask.revision, [
      ...stays.map((host) => ({
        replica: nameOf(host),
        neededAtMs: chosen.has(host) ? nowMs : (kept.get(host) ?? nowMs),
      })),
      ...leaving,
    ])
    if (isShort(line, hosts)) {
      short.add(ask.revision)
    }
    if (stays.length === 0 && (ask.rate > 0 || ask.open > 0)) {
      onDisk.set(ask.revision, ranked().slice(0, diskCopies).map(nameOf))
    }
  }
  return { copies, short, onDisk }
}

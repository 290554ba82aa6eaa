import { isKnown, type DemandMemory } from '../core/adapter-demand.ts'
import type { RevisionPlacement, WantedRevision } from '../core/adapter-plan.ts'
import { layOut } from '../core/residency-layout.ts'
import type { ResidencyAsk, ResidencyHost } from '../core/residency-ask.ts'
import { leaseMs, type StepCosts } from '../core/residency-lines.ts'
import { planMoves, type ResidencyMoves } from '../core/residency-moves.ts'
import type { ReplicaState } from './model-pool/pool-replicas.ts'

interface Surroundings {
  readonly replicas: readonly ReplicaState[]
  /** The same value for as long as the same replicas are ready and leaving. */
  readonly identity: object | undefined
  /** `max_cpu_loras` of each. */
  readonly capacity: number
}

/** Assumed until requests were counted. */
const residenceSeconds = 5
const noMoves: ResidencyMoves = { copies: new Map(), short: new Set(), onDisk: new Map() }

/** One pool: everything loaded everywhere while it fits, a plan by demand when it does not. */
export class PoolResidency {
  #wanted: readonly WantedRevision[] = []
  #around: Surroundings = { replicas: [], identity: undefined, capacity: 0 }
  #asks: ReadonlyMap<string, Pick<ResidencyAsk, 'revision' | 'least' | 'most'>> = new Map()
  #fits: boolean | undefined
  /** Something has no place yet. */
  #isPending = false
  #moves = noMoves
  #placements: ReadonlyMap<string, RevisionPlacement> = new Map()

  /** Undefined: loaded wherever it may be. */
  placementOf(revision: string): RevisionPlacement | undefined {
    return this.#placements.get(revision) ?? (this.#fits === false ? unplaced : undefined)
  }

  isPromised(revision: string): boolean {
    return (this.#asks.get(revision)?.least ?? 0) > 0
  }

  /** What is to be placed now, and on what. `Soon`: something has no place yet. */
  take(wanted: readonly WantedRevision[], around: Surroundings): 'Now' | 'Soon' | 'Nothing' {
    const before = this.#around
    const isOther = before.identity !== around.identity || before.capacity !== around.capacity
    this.#around = around
    if (
      !isOther &&
      wanted.length === this.#wanted.length &&
      wanted.every((one, at) => one === this.#wanted[at])
    ) {
      return this.#isPending ? 'Soon' : 'Nothing'
    }
    this.#wanted = wanted
    this.#asks = mergeAsks(wanted)
    if (isOther || this.#fits !== false) {
      return 'Now'
    }
    this.#isPending = wanted.some(
      ({ revision, least }) => least > 0 && !this.#moves.copies.has(revision),
    )
    return this.#isPending ? 'Soon' : 'Nothing'
  }

  /** True: something is to be elsewhere than before. */
  plan(demand: DemandMemory | undefined, costs: StepCosts | undefined, nowMs: number): boolean {
    const asks = [...this.#asks.values()].map((ask): ResidencyAsk => {
      const { rate = 0, open = 0 } = demand?.revisions.get(ask.revision) ?? {}
      return { ...ask, rate, open }
    })
    const hosts = this.#around.replicas.map((replica): ResidencyHost => ({
      name: replica.name,
      isLeaving: replica.isLeaving === true,
      capacity: this.#around.capacity,
      holds: (revision) => held.has(replica.residencyOf(revision).state),
    }))
    const { fits, counts } = layOut(asks, hosts, this.#fits)
    const didFit = this.#fits === true
    const isOtherKind = this.#fits !== fits && !(this.#fits === undefined && fits)
    this.#isPending = false
    this.#fits = fits
    this.#moves = planMoves({
      // Of what fits everywhere only that needs a place which nobody promised one, and which is asked for.
      asks: fits ? asks.filter(({ least }) => least === 0) : asks,
      hosts: fits
        ? hosts.map((host, at) => ({ ...host, capacity: host.capacity - (counts[at] ?? 0) }))
        : hosts,
      previous: this.#moves.copies,
      nowMs,
      // What was loaded everywhere because there was room gives way as soon as there is none.
      heldNeededAtMs: didFit && !fits ? nowMs - leaseMs : nowMs,
      isDemandKnown: demand !== undefined && isKnown(demand),
      residenceSeconds: residenceOf(demand),
      costs,
    })
    return this.#takePlacements(fits) || isOtherKind
  }

  /** What did not change stays the same value: whoever compares is done at once. */
  #takePlacements(fits: boolean): boolean {
    const { copies, short, onDisk } = this.#moves
    const placements = new Map<string, RevisionPlacement>()
    let isOther = false
    for (const [revision, kept] of copies) {
      const files = onDisk.get(revision) ?? nowhere
      const before = this.#placements.get(revision)
      if (kept.length > 0 || files.length > 0 || !fits) {
        const loadedOn = kept.map(({ replica }) => replica).sort()
        const placement = { loadedOn, onDisk: files, isShort: short.has(revision) }
        const isSame = before !== undefined && areEqual(before, placement)
        placements.set(revision, isSame ? before : placement)
        isOther ||= !isSame
      }
    }
    isOther ||= placements.size !== this.#placements.size
    this.#placements = placements
    return isOther
  }
}

const nowhere: readonly string[] = []
const unplaced: RevisionPlacement = { loadedOn: [], onDisk: [], isShort: false }
const held: ReadonlySet<string> = new Set(['Loading', 'Loaded', 'Routable'])

/** Two adapters of one content share a revision: the stronger wish counts. */
function mergeAsks(
  wanted: readonly WantedRevision[],
): ReadonlyMap<string, Pick<ResidencyAsk, 'revision' | 'least' | 'most'>> {
  const asks = new Map<string, Pick<ResidencyAsk, 'revision' | 'least' | 'most'>>()
  for (const { revision, least, most } of wanted) {
    const known = asks.get(revision)
    asks.set(revision, {
      revision,
      least: Math.max(least, known?.least ?? 0),
      most: Math.max(most, known?.most ?? 0),
    })
  }
  return asks
}

/** Little's law over the pool: requests at once by requests a second. */
function residenceOf(demand: DemandMemory | undefined): number {
  const sum = { rate: 0, open: 0 }
  for (const { slowRate, slowOpen } of demand?.revisions.values() ?? []) {
    sum.rate += slowRate
    sum.open += slowOpen
  }
  return sum.rate > 0 && sum.open > 0 ? sum.open / sum.rate : residenceSeconds
}

function areEqual(left: RevisionPlacement, right: RevisionPlacement): boolean {
  return (
    left.isShort === right.isShort &&
    areAlike(left.loadedOn, right.loadedOn) &&
    areAlike(left.onDisk, right.onDisk)
  )
}

function areAlike(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((one, at) => one === right[at])
}

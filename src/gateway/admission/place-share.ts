import type {
  GatewayLoad,
  HelloMessage,
  ShareAnswer,
  ShareReport,
} from '../../api/agent-protocol.ts'
import type { TenantWait } from '../../core/divide-places.ts'
import type { FairShare } from '../../core/fair-share.ts'

/** What a replica's view needs of its pool, to take part in the pool's order. */
export interface PoolOrder {
  readonly fair: Pick<FairShare, 'learn' | 'now'>
  /** Who lacks nothing but a place there, those with most right first. */
  waitsFor(couldTake: (revision: string | undefined) => boolean): readonly TenantWait[]
  /** By revision that somebody waits for or is served by: the least turn of those tenants. */
  turns(): ReadonlyMap<string, number>
}

export interface PlaceShareOptions {
  readonly maxInFlight: number
  /** Milliseconds, monotonic. */
  readonly now: () => number
  readonly order: PoolOrder | undefined
}

/** Contended places are asked for at most so often: an answer moves several requests. */
const askEveryMs = 20

/** Before the first answer: all gateways come at once to an engine that has just started. */
const firstPlaces = 8

const maxWaits = 256

/** Where nobody learns how many an engine runs: agents of an earlier release. */
const placesUntold = 256

/** One gateway's part of one engine: how many requests it may have there, and what the others still have to hear. */
export class PlaceShare {
  readonly #options: PlaceShareOptions
  /** By tenant: charges that no answer has confirmed yet. */
  readonly #unsent = new Map<string, number>()
  #sent: Readonly<Record<string, number>> = {}
  #isUnderstood = false
  #tellsLoads = false
  #toldInFlight = 0
  #places: number | undefined
  #isShared = false
  /** Somebody has waited since the last call. */
  #isAsked = false
  #askedAt = Number.NEGATIVE_INFINITY
  #timer: NodeJS.Timeout | undefined

  constructor(options: PlaceShareOptions) {
    this.#options = options
  }

  /** Requests that may be at the engine. */
  get places(): number {
    const { maxInFlight } = this.#options
    return Math.min(maxInFlight, this.#isUnderstood ? (this.#places ?? firstPlaces) : placesUntold)
  }

  /** The agent said hello: it understands shares or does not. */
  begin(
    { shares = false, tellsLoads = false }: Pick<HelloMessage, 'shares' | 'tellsLoads'>,
    isNewProcess: boolean,
  ): void {
    this.#isUnderstood = shares && this.#options.order !== undefined
    this.#tellsLoads = tellsLoads
    if (isNewProcess) {
      this.#places = undefined
    }
  }

  /** A tenant was served here, in tokens by weight; less than nothing: less than was said before. */
  charge(tenant: string, amount: number): void {
    if (this.#isUnderstood) {
      this.#unsent.set(tenant, (this.#unsent.get(tenant) ?? 0) + amount)
    }
  }

  /** The agent has to hear something, even if no slot is in use. */
  hasNews(inFlight: number): boolean {
    return (
      this.#isUnderstood &&
      (this.#isAsked || inFlight > 0 || this.#toldInFlight > 0 || this.#unsent.size > 0)
    )
  }

  /** What goes with the next call; then either `answered` or `failed`. */
  report(
    load: GatewayLoad,
    revisions: Iterable<string>,
    couldTake: (revision: string | undefined) => boolean,
  ): ShareReport | undefined {
    const { order, now } = this.#options
    if (!this.#isUnderstood || order === undefined) {
      return undefined
    }
    this.#askedAt = now()
    this.#isAsked = false
    this.#toldInFlight = load.inFlight
    this.#sent = Object.fromEntries(this.#unsent)
    this.#unsent.clear()
    const waits = order.waitsFor(couldTake).slice(0, maxWaits)
    const turnOf = order.turns()
    const turns: Record<string, number> = {}
    for (const revision of revisions) {
      turns[revision] = turnOf.get(revision) ?? order.fair.now
    }
    // An agent of an earlier release refuses what it does not know.
    const told = this.#tellsLoads ? load : { inFlight: load.inFlight }
    return { ...told, served: this.#sent, now: order.fair.now, turns, waits: [...waits] }
  }

  answered(answer: ShareAnswer | undefined): void {
    this.#sent = {}
    if (answer !== undefined) {
      this.#places = answer.places
      this.#isShared = answer.shared
      this.#options.order?.fair.learn(answer, this.#options.now())
    }
  }

  /** What was said may not have been heard: it is said again, and at worst counts twice. */
  failed(): void {
    for (const [tenant, amount] of Object.entries(this.#sent)) {
      this.charge(tenant, amount)
    }
    this.#sent = {}
  }

  /** Somebody waits for a place that another gateway may have. */
  ask(call: () => void): void {
    if (!this.#isUnderstood || (!this.#isShared && this.#places !== undefined)) {
      return
    }
    this.#isAsked = true
    const sinceMs = this.#options.now() - this.#askedAt
    if (sinceMs >= askEveryMs) {
      call()
    } else {
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined
        call()
      }, askEveryMs - sinceMs)
    }
  }

  close(): void {
    clearTimeout(this.#timer)
  }
}

import type { ActivityMessage, AgentLink, LeaseAnswer } from '../../api/agent-protocol.ts'
import type { PlaceShare } from '../admission/place-share.ts'
import type { ReplicaLoad } from './replica-load.ts'
import { SlotRefusals } from './slot-refusals.ts'

/** What a choice looks at of one revision at one replica: kept up to date, because looking it up costs more than choosing. */
export interface SlotState {
  readonly revision: string
  /** A lease, while it lasts, lets requests for it begin. */
  hasSlot: boolean
  /** In flight there already, from any gateway. */
  isActive: boolean
}

interface SlotLeaseOptions {
  readonly gateway: string
  readonly link: Pick<AgentLink, 'lease'>
  readonly load: ReplicaLoad
  readonly share: PlaceShare
  /** Milliseconds, monotonic. */
  readonly now: () => number
  /** Nothing but a place at the engine is missing, or an answer that is on its way. */
  readonly couldTake: (revision: string | undefined) => boolean
  /** Something changed that a waiting request may be waiting for. */
  readonly onChange: () => void
}

/**
 * A grant that was not used for so long is given back: a slot that only looks taken keeps other adapters' requests from
 * being spread to this replica. Getting it again costs one short call.
 */
const idleGrantMs = 2000

/** Of a slot: it is free or shared, kept by somebody idle, or busy. */
export type SlotDelay = 'AtOnce' | 'OnDemand' | 'WhenOneEnds'

/** One gateway's slots at one replica, by leases of its agent. */
export class SlotLease<T extends SlotState> {
  readonly #options: SlotLeaseOptions
  readonly #wanted = new Set<string>()
  /** Wanted once, for nobody who waits. */
  readonly #invited = new Set<string>()
  readonly #frozen = new Set<string>()
  /** When a granted revision was last of use, or came. */
  readonly #usedAt = new Map<string, number>()
  /** Those that anybody asked for since they became routable. */
  readonly #states = new Map<string, T>()
  #granted: ReadonlySet<string> = new Set()
  #reclaimed: ReadonlySet<string> = new Set()
  #end = 0
  #call: 'Idle' | 'Out' | 'OutAndAgain' = 'Idle'
  #next: NodeJS.Immediate | undefined
  #isRetired = false
  #closed = false
  /** What calls wanted or kept, and may not have taken back: the agent may hold a slot for it until it hears otherwise. */
  #named: ReadonlySet<string> = new Set()
  readonly #refusals = new SlotRefusals()
  /** Slots that nobody had when the agent last spoke. */
  freeSlots = 0
  /** Those that somebody had and did not use, then: given back on demand. */
  keptSlots = 0

  constructor(options: SlotLeaseOptions) {
    this.#options = options
  }

  get lasts(): boolean {
    return this.#options.now() < this.#end
  }

  /** Granted, though an answer may be on its way that takes it back. */
  has(revision: string): boolean {
    return this.#granted.has(revision) && !this.#reclaimed.has(revision) && this.lasts
  }

  /** A request for it may begin. */
  lets(revision: string): boolean {
    return this.has(revision) && !this.#frozen.has(revision)
  }

  stateOf(revision: string, create: () => T): T {
    let state = this.#states.get(revision)
    if (state === undefined) {
      state = create()
      this.#states.set(revision, state)
      this.refresh(revision)
    }
    return state
  }

  /** It is routable no more; absent: none is. */
  forget(revision?: string): void {
    if (revision === undefined) {
      this.#states.clear()
    } else {
      this.#states.delete(revision)
    }
  }

  refresh(revision: string): void {
    const state = this.#states.get(revision)
    if (state !== undefined) {
      state.hasSlot =
        this.#granted.has(revision) && !this.#reclaimed.has(revision) && !this.#frozen.has(revision)
      state.isActive = this.#options.load.isActive(revision)
    }
  }

  /** What is in flight there changed, of any gateway. */
  hearActivity({ began, ended }: Pick<ActivityMessage, 'began' | 'ended'>): void {
    this.#options.load.hearActivity({ began, ended })
    for (const revision of [...began, ...ended]) {
      this.refresh(revision)
    }
  }

  /** How soon a slot would be there for it, if it were asked for. */
  delayOf({ revision, isActive }: SlotState): SlotDelay {
    if (this.#reclaimed.has(revision) || this.#refusals.has(revision, this.#options.now())) {
      return 'WhenOneEnds'
    }
    const others = this.#wanted.size - (this.#wanted.has(revision) ? 1 : 0)
    if (isActive || this.freeSlots > others) {
      return 'AtOnce'
    }
    return this.freeSlots + this.keptSlots > others ? 'OnDemand' : 'WhenOneEnds'
  }

  /** Asks for a slot; `onChange` tells when it came. */
  want(revision: string): void {
    if (!this.#wanted.has(revision)) {
      this.#wanted.add(revision)
      this.renew()
    }
  }

  /** Asks once, and only for a slot that nobody has, so that requests to come may go here, too. */
  invite(revision: string): void {
    if (
      this.freeSlots > 0 &&
      !this.#wanted.has(revision) &&
      (!this.#granted.has(revision) || this.#reclaimed.has(revision))
    ) {
      this.#invited.add(revision)
      this.want(revision)
    }
  }

  /** Nobody waits for this revision here any more. */
  unwant(revision: string): void {
    if (this.#wanted.delete(revision) && this.#named.has(revision)) {
      this.renew() // a slot may be on its way, for nobody
    }
  }

  /** Nothing new goes there: slots go back as what runs on them ends. */
  retire(): void {
    this.#isRetired = true
    this.#wanted.clear()
    this.renew()
  }

  /** Its last request here ended. */
  idle(revision: string): void {
    this.#usedAt.set(revision, this.#options.now())
    this.refresh(revision)
    if (this.#reclaimed.has(revision) || this.#isRetired) {
      this.renew()
    }
  }

  /** Renews what is in use, asks for what is wanted, gives back what was reclaimed and is idle. */
  renew(): void {
    const { load, share, gateway, link, couldTake, now } = this.#options
    if (this.#closed) {
      return
    }
    if (this.#call !== 'Idle') {
      this.#call = 'OutAndAgain'
      return
    }
    const wanted = [...this.#wanted]
    const inFlight = this.#inUse()
    const isIdle =
      wanted.length === 0 && Object.keys(inFlight).length === 0 && this.#named.size === 0
    if (isIdle && !share.hasNews(load.own)) {
      return
    }
    this.#call = 'Out'
    // The agent may take an idle slot on the word of this report, so nothing starts on it until the answer is here.
    for (const [revision, count] of Object.entries(inFlight)) {
      if (count === 0) {
        this.#freeze(revision)
      }
    }
    const named = [...wanted, ...Object.keys(inFlight)]
    const before = this.#named
    this.#named = new Set(named)
    const sentAt = now()
    const report = share.report(load.told, named, couldTake)
    const request = { gateway, wanted, inFlight }
    link.lease(report === undefined ? request : { ...request, share: report }).then(
      (answer) => this.#onAnswer(answer, wanted, sentAt),
      () => {
        this.#end = 0 // an agent out of reach: nothing new there
        this.#named = new Set([...before, ...named])
        this.#refusals.note(wanted, () => false, now())
        share.failed()
        this.#afterCall()
      },
    )
  }

  close(): void {
    this.#closed = true
    clearImmediate(this.#next)
  }

  /** What is kept: granted and of use lately, or in flight. The rest of what was granted goes back with this. */
  #inUse(): Record<string, number> {
    const { load } = this.#options
    const inUse: Record<string, number> = {}
    for (const revision of this.#granted) {
      const count = load.countOf(revision)
      if (count > 0 || this.#isToKeep(revision)) {
        inUse[revision] = count
      } else {
        this.#freeze(revision)
      }
    }
    for (const [revision, count] of load.byRevision()) {
      inUse[revision] = count
    }
    return inUse
  }

  /** Of a grant with nothing in flight. */
  #isToKeep(revision: string): boolean {
    const usedAt = this.#usedAt.get(revision) ?? Number.NEGATIVE_INFINITY
    const isFresh = this.#options.now() - usedAt < idleGrantMs
    return isFresh && !this.#isRetired && !this.#reclaimed.has(revision)
  }

  #freeze(revision: string): void {
    this.#frozen.add(revision)
    this.refresh(revision)
  }

  #onAnswer(answer: LeaseAnswer, wanted: readonly string[], sentAt: number): void {
    const { share, load } = this.#options
    share.answered(answer.share)
    const before = this.#granted
    this.#grant(answer, sentAt)
    this.#end = sentAt + answer.ttlMs
    this.#refusals.note(wanted, (revision) => this.has(revision), this.#options.now())
    for (const revision of [...before, ...answer.granted]) {
      this.refresh(revision)
    }
    if (answer.reclaimed.some((revision) => load.countOf(revision) === 0)) {
      this.#call = 'OutAndAgain'
    }
    this.#afterCall()
  }

  #grant({ granted, reclaimed }: LeaseAnswer, sentAt: number): void {
    for (const revision of granted) {
      if (!this.#granted.has(revision)) {
        // For nobody any more: it goes back with the next call.
        this.#usedAt.set(revision, this.#wanted.has(revision) ? sentAt : Number.NEGATIVE_INFINITY)
      }
    }
    this.#granted = new Set(granted)
    this.#reclaimed = new Set(reclaimed)
    for (const revision of this.#usedAt.keys()) {
      if (!this.#granted.has(revision)) {
        this.#usedAt.delete(revision)
      }
    }
    for (const revision of granted) {
      if (!this.#reclaimed.has(revision)) {
        this.#wanted.delete(revision)
      }
    }
    for (const revision of this.#invited) {
      this.#wanted.delete(revision)
      if (!this.#granted.has(revision)) {
        // Others were quicker: not again before the agent says that one is free.
        this.freeSlots = 0
      }
    }
    this.#invited.clear()
  }

  #afterCall(): void {
    const frozen = [...this.#frozen]
    this.#frozen.clear()
    for (const revision of frozen) {
      this.refresh(revision)
    }
    const again = this.#call === 'OutAndAgain'
    this.#call = 'Idle'
    this.#options.onChange()
    if (again) {
      // A turn of the event loop between two calls: an agent in this process answers within one.
      this.#next ??= setImmediate(() => {
        this.#next = undefined
        this.renew()
      })
    }
  }
}

import { LoraplexError } from '../errors.ts'
import { endOfWait, type Patience, type PoolWarmth } from './patience.ts'
import { QueueBounds, type AdmissionLimits } from './queue-bounds.ts'
import type { ReplicaView } from './replica-view.ts'

/** A request that looks for a place. Exactly one of `place` and `refuse` is called, unless it is withdrawn first. */
export interface Ticket extends Patience {
  /** `undefined` is the base model. */
  readonly revision: string | undefined
  readonly tenant: string
  readonly sizeBytes: number
  /** Engine processes that already failed this request (I10). */
  readonly tried: ReadonlySet<string>
  /** The newest failure and its time; what the caller hears when no other process can take the request. */
  readonly lost:
    | { readonly error: LoraplexError; readonly fate: EngineFate; readonly at: number }
    | undefined
  /** The view's place is taken in the ticket's name; whoever gets it calls `view.release(revision)` once. */
  place(view: ReplicaView): void
  refuse(error: LoraplexError): void
}

/** A line of tickets for one revision; `undefined` revision is the base's line. */
interface Line {
  readonly revision: string | undefined
  tickets: Ticket[]
  /** Why it waits, for the refusal when the wait ends. */
  waitsFor: 'Slot' | 'Load' | 'Replica'
  estimateMs: number
  ensuring: boolean
}

/** What a failure tells of the engine's process. */
export type EngineFate =
  /** It judged the request. */
  | 'Lives'
  /** It said that it is about to end. */
  | 'Dying'
  /** Its connection broke. */
  | 'Unknown'

/**
 * So long after a failure its process is known to be gone, if it is: one that was killed is noticed at once, and vLLM's
 * ends up to 7 s after its engine core died.
 */
const knownGoneMs: Readonly<Record<EngineFate, number>> = {
  Lives: 0,
  Unknown: 2000,
  Dying: 10_000,
}

/**
 * Requests that one replica runs more than another before a revision is brought to the other, too: an adapter that is not
 * yet active costs a replica about as much as four or five running requests (DESIGN 7).
 */
const spreadAtInFlight = 4

/**
 * The waiting room of one pool (I9): FIFO within a revision, and the revisions' lines take turns, so that none waits for
 * another's line to end. Slots and loads are asked for when a line forms.
 */
export class PoolAdmission {
  readonly #views: () => readonly ReplicaView[]
  readonly #bounds: QueueBounds
  readonly #now: () => number
  readonly #onWait: () => void
  readonly #lines = new Map<string, Line>()
  #pumping: 'No' | 'Yes' | 'Again' = 'No'
  #warmth: PoolWarmth = { warmSince: undefined, settledSince: undefined }

  /** @param onWait called when a request begins to wait. */
  constructor(
    views: () => readonly ReplicaView[],
    limits: AdmissionLimits,
    now: () => number,
    onWait: () => void = () => undefined,
  ) {
    this.#views = views
    this.#bounds = new QueueBounds(limits)
    this.#now = now
    this.#onWait = onWait
  }

  /** Requests that wait, by revision. */
  *waiting(): Iterable<readonly [revision: string | undefined, count: number]> {
    for (const { revision, tickets } of this.#lines.values()) {
      yield [revision, tickets.length]
    }
  }

  get queued(): number {
    return this.#bounds.queued
  }

  /** As far as it was looked at: while somebody waits, twice a second and more. */
  get warmth(): PoolWarmth {
    const views = this.#views()
    const isWarm = views.some((view) => view.ready)
    const isSettled = isWarm && views.every((view) => view.ready)
    this.#warmth = {
      warmSince: isWarm ? (this.#warmth.warmSince ?? this.#now()) : undefined,
      settledSince: isSettled ? (this.#warmth.settledSince ?? this.#now()) : undefined,
    }
    return this.#warmth
  }

  /** A process of this pool has not failed this ticket yet: one that is up, or one that may come up. */
  hasUntried(ticket: Ticket): boolean {
    return this.#views().some((view) => !view.ready || !ticket.tried.has(view.engineProcess))
  }

  submit(ticket: Ticket): void {
    const line = this.#lines.get(ticket.revision ?? '')
    if (line === undefined) {
      const view = this.#findPlace(ticket)
      if (view !== undefined) {
        view.acquire(ticket.revision)
        ticket.place(view)
        return
      }
    }
    const refusal = this.#refusal(ticket)
    if (refusal !== undefined) {
      ticket.refuse(refusal)
      return
    }
    this.#enqueue(ticket, line)
  }

  /** The caller left or was answered otherwise; false when it no longer waits. */
  withdraw(ticket: Ticket): boolean {
    const line = this.#lines.get(ticket.revision ?? '')
    const at = line?.tickets.indexOf(ticket) ?? -1
    if (line === undefined || at === -1) {
      return false
    }
    line.tickets.splice(at, 1)
    this.#bounds.leave(ticket)
    this.#dropIfEmpty(line)
    return true
  }

  /** Places whoever can go now; called at every change of a replica. */
  pump(): void {
    if (this.#bounds.queued === 0) {
      return
    }
    if (this.#pumping !== 'No') {
      this.#pumping = 'Again'
      return
    }
    do {
      this.#pumping = 'Yes'
      this.#pumpOnce()
    } while (this.#isToPumpAgain())
    this.#pumping = 'No'
  }

  /** Ends waits whose deadline has passed, and asks again for what is still missing. */
  sweep(): void {
    const now = this.#now()
    const { warmth } = this
    for (const line of this.#lines.values()) {
      for (const ticket of line.tickets.filter((one) => this.#isOver(one, now, warmth))) {
        if (this.withdraw(ticket)) {
          ticket.refuse(ticket.lost?.error ?? this.#timedOut(line))
        }
      }
    }
    this.pump()
  }

  refuseAll(error: () => LoraplexError): void {
    for (const line of this.#lines.values()) {
      this.#refuseLine(line, error)
    }
  }

  #isToPumpAgain(): boolean {
    return this.#pumping === 'Again'
  }

  /** One ticket of each line at a time, until a whole round places nobody. */
  #pumpOnce(): void {
    let waiting = [...this.#lines.values()]
    while (waiting.length > 0) {
      waiting = waiting.filter((line) => this.#placeNext(line))
    }
  }

  #isOver(ticket: Ticket, now: number, warmth: PoolWarmth): boolean {
    return (
      endOfWait(ticket, warmthFor(ticket, warmth)) <= now ||
      (ticket.lost !== undefined &&
        now - ticket.lost.at > knownGoneMs[ticket.lost.fate] &&
        !this.hasUntried(ticket))
    )
  }

  #enqueue(ticket: Ticket, existing: Line | undefined): void {
    const line = existing ?? {
      revision: ticket.revision,
      tickets: [],
      waitsFor: 'Replica',
      estimateMs: 1000,
      ensuring: false,
    }
    line.tickets.push(ticket)
    this.#bounds.enter(ticket)
    if (existing === undefined) {
      this.#lines.set(ticket.revision ?? '', line)
      this.#placeNext(line)
    }
    this.#onWait()
  }

  /** Places the first of a line that has a place; false when there is none. Whoever was served goes behind the others. */
  #placeNext(line: Line): boolean {
    for (const [at, ticket] of line.tickets.entries()) {
      const view = this.#findPlace(ticket)
      if (view !== undefined) {
        line.tickets.splice(at, 1)
        this.#bounds.leave(ticket)
        this.#lines.delete(line.revision ?? '')
        if (line.tickets.length > 0) {
          this.#lines.set(line.revision ?? '', line)
        } else {
          this.#unwant(line)
        }
        view.acquire(ticket.revision)
        ticket.place(view)
        return line.tickets.length > 0
      }
      this.#askFor(line, ticket)
      if (ticket.tried.size === 0) {
        return false
      }
      // It may be waiting for another process; those behind it need not.
    }
    return false
  }

  #findPlace(ticket: Ticket): ReplicaView | undefined {
    const { revision } = ticket
    let best: ReplicaView | undefined
    let idler: ReplicaView | undefined
    for (const view of this.#views()) {
      const placement = view.placementOf(revision)
      if (placement === 'Now') {
        if (
          !ticket.tried.has(view.engineProcess) &&
          (best === undefined || view.inFlight < best.inFlight)
        ) {
          best = view
        }
      } else if (
        placement === 'NeedsSlot' &&
        (idler === undefined || view.inFlight < idler.inFlight)
      ) {
        idler = view
      }
    }
    if (
      revision !== undefined &&
      best !== undefined &&
      idler !== undefined &&
      best.inFlight - idler.inFlight >= spreadAtInFlight
    ) {
      idler.inviteIntoFreeSlot(revision)
    }
    return best
  }

  /** Asks the least loaded replica that could serve for what it lacks: a slot first, else the adapter itself. */
  #askFor(line: Line, ticket: Ticket): void {
    const usable = this.#views().filter(
      (view) => view.ready && !ticket.tried.has(view.engineProcess),
    )
    const byLoad = usable.toSorted(
      (left, right) => left.inFlight - right.inFlight || right.freeSlots - left.freeSlots,
    )
    line.waitsFor = 'Replica'
    const { revision } = line
    if (revision === undefined || byLoad[0] === undefined) {
      return
    }
    const routable = byLoad.find((view) => view.placementOf(revision) === 'NeedsSlot')
    if (routable !== undefined) {
      line.waitsFor = 'Slot'
      routable.wantSlot(revision)
      return
    }
    if (byLoad.some((view) => view.placementOf(revision) === 'Full')) {
      line.waitsFor = 'Slot'
      return
    }
    line.waitsFor = 'Load'
    this.#ensure(line, revision, byLoad[0])
  }

  #ensure(line: Line, revision: string, view: ReplicaView): void {
    if (line.ensuring) {
      return
    }
    line.ensuring = true
    view.replica.link.ensure(revision).then(
      (answer) => {
        line.ensuring = false
        if (answer.state === 'Loading') {
          line.estimateMs = answer.estimateMs
        } else if (answer.state === 'Failed') {
          this.#refuseLine(
            line,
            () =>
              new LoraplexError(
                'adapter_failed',
                `This adapter cannot be served: ${answer.message}`,
              ),
          )
        }
      },
      () => {
        line.ensuring = false
      },
    )
  }

  #refuseLine(line: Line, error: () => LoraplexError): void {
    const tickets = line.tickets.splice(0)
    this.#dropIfEmpty(line)
    for (const ticket of tickets) {
      this.#bounds.leave(ticket)
      ticket.refuse(error())
    }
  }

  #dropIfEmpty(line: Line): void {
    if (line.tickets.length === 0 && this.#lines.get(line.revision ?? '') === line) {
      this.#lines.delete(line.revision ?? '')
      this.#unwant(line)
    }
  }

  #unwant({ revision }: Line): void {
    if (revision !== undefined) {
      for (const view of this.#views()) {
        view.unwantSlot(revision)
      }
    }
  }

  #refusal(ticket: Ticket): LoraplexError | undefined {
    return endOfWait(ticket, warmthFor(ticket, this.warmth)) <= this.#now()
      ? (ticket.lost?.error ??
          new LoraplexError('overloaded', 'This request would have to wait longer than it may.', {
            retryAfterMs: 1000,
          }))
      : this.#bounds.refusal(ticket)
  }

  #timedOut(line: Line): LoraplexError {
    switch (line.waitsFor) {
      case 'Slot':
        return new LoraplexError('overloaded', 'No place became free for this request in time.', {
          retryAfterMs: 2000,
        })
      case 'Load':
        return new LoraplexError('adapter_loading', 'The adapter is still being loaded.', {
          retryAfterMs: Math.max(1000, line.estimateMs),
        })
      case 'Replica':
        return new LoraplexError('no_replica', 'No engine of this model is ready.', {
          retryAfterMs: 5000,
        })
      default:
        return line.waitsFor satisfies never
    }
  }
}

/** Whom an engine lost waits for its next process no longer than a queue takes. */
function warmthFor({ lost }: Ticket, warmth: PoolWarmth): PoolWarmth {
  return lost === undefined ? warmth : { warmSince: lost.at, settledSince: lost.at }
}

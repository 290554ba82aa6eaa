import { LoraplexError } from '../errors.ts'
import type { ReplicaView } from './replica-view.ts'

/** A request that looks for a place. Exactly one of `place` and `refuse` is called, unless it is withdrawn first. */
export interface Ticket {
  /** `undefined` is the base model. */
  readonly revision: string | undefined
  readonly tenant: string
  readonly sizeBytes: number
  /** Monotonic milliseconds after which the wait is over. */
  readonly deadline: number
  /** Engine processes that already failed this request (I10). */
  readonly tried: ReadonlySet<string>
  /** The view's place is taken in the ticket's name; whoever gets it calls `view.release(revision)` once. */
  place(view: ReplicaView): void
  refuse(error: LoraplexError): void
}

export interface AdmissionLimits {
  /** Waiting requests a pool. */
  readonly maxQueued: number
  /** Bytes of waiting bodies a pool. */
  readonly maxQueuedBytes: number
  /** Waiting requests of one tenant, so that none can fill the queue alone. */
  readonly maxQueuedPerTenant: number
}

export const defaultAdmissionLimits: AdmissionLimits = {
  maxQueued: 2048,
  maxQueuedBytes: 256 * 1024 * 1024,
  maxQueuedPerTenant: 1024,
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

/**
 * The waiting room of one pool (I9): FIFO within a revision, lines served in the order in which they began to wait.
 * Slots and loads are asked for when a line forms.
 */
export class PoolAdmission {
  readonly #views: () => readonly ReplicaView[]
  readonly #limits: AdmissionLimits
  readonly #now: () => number
  readonly #lines = new Map<string, Line>()
  readonly #perTenant = new Map<string, number>()
  #queued = 0
  #queuedBytes = 0
  #pumping = false

  constructor(views: () => readonly ReplicaView[], limits: AdmissionLimits, now: () => number) {
    this.#views = views
    this.#limits = limits
    this.#now = now
  }

  get queued(): number {
    return this.#queued
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
    this.#left(ticket)
    this.#dropIfEmpty(line)
    return true
  }

  /** Places whoever can go now; called at every change of a replica. */
  pump(): void {
    if (this.#queued === 0 || this.#pumping) {
      return
    }
    this.#pumping = true
    try {
      for (const line of this.#lines.values()) {
        this.#pumpLine(line)
      }
    } finally {
      this.#pumping = false
    }
  }

  /** Ends waits whose deadline has passed, and asks again for what is still missing. */
  sweep(): void {
    const now = this.#now()
    for (const line of this.#lines.values()) {
      for (const ticket of line.tickets.filter((one) => one.deadline <= now)) {
        if (this.withdraw(ticket)) {
          ticket.refuse(this.#timedOut(line))
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

  #enqueue(ticket: Ticket, existing: Line | undefined): void {
    const line = existing ?? {
      revision: ticket.revision,
      tickets: [],
      waitsFor: 'Replica',
      estimateMs: 1000,
      ensuring: false,
    }
    line.tickets.push(ticket)
    this.#lines.set(ticket.revision ?? '', line)
    this.#queued += 1
    this.#queuedBytes += ticket.sizeBytes
    this.#perTenant.set(ticket.tenant, (this.#perTenant.get(ticket.tenant) ?? 0) + 1)
    if (existing === undefined) {
      this.#pumpLine(line)
    }
  }

  #pumpLine(line: Line): void {
    let at = 0
    for (;;) {
      const ticket = line.tickets[at]
      if (ticket === undefined) {
        break
      }
      const view = this.#findPlace(ticket)
      if (view === undefined) {
        this.#askFor(line, ticket)
        if (ticket.tried.size === 0) {
          break
        }
        at += 1 // it may be waiting for another process; those behind it need not
        continue
      }
      line.tickets.splice(at, 1)
      this.#left(ticket)
      view.acquire(ticket.revision)
      ticket.place(view)
    }
    this.#dropIfEmpty(line)
  }

  #findPlace(ticket: Ticket): ReplicaView | undefined {
    let best: ReplicaView | undefined
    for (const view of this.#views()) {
      if (
        view.placementOf(ticket.revision) === 'Now' &&
        !ticket.tried.has(view.engineProcess) &&
        (best === undefined || view.inFlight < best.inFlight)
      ) {
        best = view
      }
    }
    return best
  }

  /** Asks the least loaded replica that could serve for what it lacks: a slot first, else the adapter itself. */
  #askFor(line: Line, ticket: Ticket): void {
    const usable = this.#views().filter(
      (view) => view.ready && !ticket.tried.has(view.engineProcess),
    )
    const byLoad = usable.toSorted((left, right) => left.inFlight - right.inFlight)
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
    for (const ticket of line.tickets.splice(0)) {
      this.#left(ticket)
      ticket.refuse(error())
    }
    this.#dropIfEmpty(line)
  }

  #left(ticket: Ticket): void {
    this.#queued -= 1
    this.#queuedBytes -= ticket.sizeBytes
    const count = (this.#perTenant.get(ticket.tenant) ?? 1) - 1
    if (count === 0) {
      this.#perTenant.delete(ticket.tenant)
    } else {
      this.#perTenant.set(ticket.tenant, count)
    }
  }

  #dropIfEmpty(line: Line): void {
    if (line.tickets.length === 0 && this.#lines.get(line.revision ?? '') === line) {
      this.#lines.delete(line.revision ?? '')
      if (line.revision !== undefined) {
        for (const view of this.#views()) {
          view.unwantSlot(line.revision)
        }
      }
    }
  }

  #refusal(ticket: Ticket): LoraplexError | undefined {
    if (ticket.deadline <= this.#now()) {
      return new LoraplexError(
        'overloaded',
        'This request would have to wait longer than it may.',
        { retryAfterMs: 1000 },
      )
    }
    if ((this.#perTenant.get(ticket.tenant) ?? 0) >= this.#limits.maxQueuedPerTenant) {
      return new LoraplexError(
        'queue_share_full',
        'Too many of your requests are waiting already.',
        { retryAfterMs: 1000 },
      )
    }
    if (
      this.#queued >= this.#limits.maxQueued ||
      this.#queuedBytes + ticket.sizeBytes > this.#limits.maxQueuedBytes
    ) {
      return new LoraplexError('overloaded', 'Too many requests are waiting for this model.', {
        retryAfterMs: 2000,
      })
    }
    return undefined
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

import { Bag, nowhere } from '../../core/bag.ts'
import type { TenantWait } from '../../core/divide-places.ts'
import type { EngineCostFit } from '../../core/engine-cost-fit.ts'
import { FairShare, type ServedTokens } from '../../core/fair-share.ts'
import { LoraplexError } from '../../errors.ts'
import type { PaceSource } from '../relay/pace.ts'
import { knownGoneMs } from '../relay/engine-fate.ts'
import { endOfWait, type PoolWarmth } from './patience.ts'
import { PoolRouter } from './pool-router.ts'
import { QueueBounds, type AdmissionLimits } from './queue-bounds.ts'
import { hasOnlyBegun } from '../replica/work.ts'
import type { ReplicaView } from '../replica-view.ts'
import type { Served, Ticket } from './ticket.ts'
import type { TokenTotals } from './token-totals.ts'
import { WaitingLines, type WaitingLine } from './waiting-lines.ts'

/** Of a body; what tokens an engine counts is known later. */
const bytesPerToken = 4

/**
 * The waiting room of one pool (I9, I15): of the tenants that can be placed, the one that was served least by its weight is
 * next. Its revisions' lines take turns; within a line it is first come, first served. Slots and loads are asked for when a
 * line forms.
 */
export class PoolAdmission {
  readonly #views: () => readonly ReplicaView[]
  readonly #bounds: QueueBounds
  readonly #now: () => number
  readonly #onWait: () => void
  readonly #router: PoolRouter
  readonly #lines = new WaitingLines()
  readonly #ensuring = new Set<string>()
  /** Replicas that have no room for a revision that somebody waits for. */
  readonly #fullAt = new Map<string, Set<ReplicaView>>()
  /** Where a slot was asked for, by revision. */
  readonly #asked = new Map<string, ReplicaView>()
  /** Tickets at an engine. */
  readonly #served = new Bag<Served>()
  /** Whose turn it is. */
  readonly fair = new FairShare()
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
    this.#router = new PoolRouter(views, now)
    this.#bounds = new QueueBounds(limits)
    this.#now = now
    this.#onWait = onWait
  }

  /** Requests that wait, by revision. */
  *waiting(): Iterable<readonly [revision: string | undefined, count: number]> {
    for (const { revision, tickets } of this.#lines.all()) {
      yield [revision, tickets.length]
    }
  }

  /** Of those, requests whose adapter has to be loaded first. */
  *waitingForLoads(): Iterable<readonly [revision: string | undefined, count: number]> {
    for (const { revision, tickets, waitsFor } of this.#lines.all()) {
      if (waitsFor === 'Load') {
        yield [revision, tickets.length]
      }
    }
  }

  /** Who lacks nothing but a place at a certain engine, those with most right first. */
  waitsFor(couldTake: (revision: string | undefined) => boolean): readonly TenantWait[] {
    const waits: TenantWait[] = []
    for (const tenant of this.#lines.tenants) {
      const lines = this.#lines.of(tenant).filter((line) => couldTake(line.revision))
      // One that failed may be waiting for something else than a place at this engine.
      const tickets = lines.flatMap((line) =>
        line.tickets.filter((ticket) => !isParticular(ticket)),
      )
      const [first] = tickets
      if (first !== undefined) {
        const cost = this.fair.costOf(tenant, first.weight, inputOf(first))
        const cameAt = tickets.reduce((least, one) => Math.min(least, one.cameAt), first.cameAt)
        waits.push({
          tenant,
          turn: this.fair.turnOf(tenant),
          cost,
          count: tickets.length,
          waitedMs: Math.round(this.#now() - cameAt),
        })
      }
    }
    return waits.sort((left, right) => left.turn - right.turn)
  }

  /** By revision that somebody waits for or is served by: the least turn of those tenants. */
  turns(): ReadonlyMap<string, number> {
    const turns = new Map<string, number>()
    for (const { revision, tenant } of [...this.#lines.all(), ...this.#served]) {
      if (revision !== undefined) {
        const turn = this.fair.turnOf(tenant)
        turns.set(revision, Math.min(turns.get(revision) ?? turn, turn))
      }
    }
    return turns
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
    this.#router.arrived(ticket)
    const line = this.#lines.find(ticket)
    if (line === undefined) {
      const view = this.#router.findPlace(ticket)
      if (view !== undefined) {
        this.#place(ticket, view)
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
    const line = this.#lines.find(ticket)
    const at = line?.tickets.indexOf(ticket) ?? -1
    if (line === undefined || at === -1) {
      return false
    }
    line.tickets.splice(at, 1)
    this.#leave(ticket)
    this.#dropIfEmpty(line)
    return true
  }

  /** A ticket's answer has so many tokens by now: whoever gets more than was thought is charged for it. */
  progress(ticket: Ticket, view: ReplicaView, outputTokens: number): void {
    const { served } = ticket
    if (served !== undefined && this.#served.has(served)) {
      view.charge(ticket.tenant, this.fair.progress(served.charge, outputTokens))
      this.#router.progress(ticket, served, view, outputTokens)
    }
  }

  /** A ticket's answer has its first token. */
  begun(ticket: Ticket, view: ReplicaView): void {
    const { served } = ticket
    if (served !== undefined && this.#served.has(served)) {
      this.#router.begun(served, view)
    }
  }

  /** How the pace of a stream there is looked at, and whether it has more than begun. @param tokens of its answer so far */
  paceOf(ticket: Ticket, view: ReplicaView, tokens: () => number): PaceSource {
    const { served } = ticket
    return this.#router.paceOf(view, tokens, () => {
      if (served !== undefined && this.#served.has(served) && hasOnlyBegun(served)) {
        this.#router.progress(ticket, served, view, tokens())
      }
    })
  }

  /** What is known of the pool's engines. */
  get costs(): Pick<EngineCostFit, 'costs' | 'evidence'> {
    return this.#router.fit
  }

  /** What its requests asked for, in tokens. */
  get totals(): Pick<TokenTotals, 'requests' | 'input' | 'output' | 'answers'> {
    return this.#router.totals
  }

  /** An adapter was brought to a replica in so long. */
  loaded(ms: number): void {
    this.#router.fit.noteLoad(ms)
  }

  /** The ticket's place is free again. @param tokens undefined where the engine counted none */
  release(ticket: Ticket, view: ReplicaView, tokens: ServedTokens | undefined): void {
    const { served } = ticket
    if (served !== undefined && this.#served.delete(served)) {
      view.charge(ticket.tenant, this.fair.end(served.charge, tokens))
      if (tokens !== undefined) {
        this.#router.note(ticket, served, tokens)
      }
      view.release(served, tokens !== undefined)
    }
  }

  /** Another replica has it now, or one has it no more. */
  movedIn(revision: string): void {
    this.#router.forget(revision)
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
    for (const line of this.#lines.all()) {
      for (const ticket of line.tickets.filter((one) => this.#isOver(one, now, warmth))) {
        if (this.withdraw(ticket)) {
          ticket.refuse(ticket.lost?.error ?? this.#timedOut(line))
        }
      }
    }
    this.fair.tidy()
    this.#fullAt.clear()
    this.pump()
    for (const line of this.#lines.all()) {
      this.#askFor(line, line.tickets[0])
    }
  }

  refuseAll(error: () => LoraplexError): void {
    for (const line of this.#lines.all()) {
      this.#refuseLine(line, error)
    }
  }

  #isToPumpAgain(): boolean {
    return this.#pumping === 'Again'
  }

  /** One ticket of the tenant whose turn it is, until nobody who waits can go. */
  #pumpOnce(): void {
    let tenants = this.#lines.tenants
    while (tenants.length > 0 && this.#views().some((view) => view.hasRoom)) {
      const next = tenants.reduce((best, one) =>
        this.fair.turnOf(one) < this.fair.turnOf(best) ? one : best,
      )
      if (!this.#placeNextOf(next)) {
        tenants = tenants.filter((one) => one !== next)
      }
    }
    if (this.#bounds.queued > 0) {
      this.#wantPlaces()
    }
  }

  /** False when this tenant has nobody waiting who can go. */
  #placeNextOf(tenant: string): boolean {
    return this.#lines.of(tenant).some((line) => this.#placeNext(line))
  }

  #isOver(ticket: Ticket, now: number, warmth: PoolWarmth): boolean {
    return (
      endOfWait(ticket, warmthFor(ticket, warmth)) <= now ||
      (ticket.lost !== undefined &&
        now - ticket.lost.at > knownGoneMs[ticket.lost.fate] &&
        !this.hasUntried(ticket))
    )
  }

  #enqueue(ticket: Ticket, existing: WaitingLine | undefined): void {
    const line = existing ?? this.#lines.open(ticket)
    line.tickets.push(ticket)
    this.#bounds.enter(ticket)
    this.fair.enter(ticket.tenant)
    if (existing === undefined) {
      this.#askFor(line, ticket)
    }
    this.#wantPlaces()
    this.#onWait()
  }

  /** Places the first of a line that has a place; the line then goes behind the tenant's others. */
  #placeNext(line: WaitingLine): boolean {
    for (const [at, ticket] of line.tickets.entries()) {
      const view = this.#router.findPlace(ticket)
      if (view !== undefined) {
        line.tickets.splice(at, 1)
        this.#lines.putBehind(line)
        this.#dropIfEmpty(line)
        this.#place(ticket, view, () => this.#leave(ticket))
        return true
      }
      this.#askFor(line, ticket)
      if (!isParticular(ticket)) {
        return false
      }
      // It may be waiting for another process, or for its trial; those behind it need not.
    }
    return false
  }

  #place(ticket: Ticket, view: ReplicaView, leave: () => void = () => undefined): void {
    const { tenant, weight } = ticket
    const charge = this.fair.begin(tenant, weight, inputOf(ticket))
    leave()
    const served = { ...this.#router.workOf(ticket, view), tenant, charge, seat: nowhere }
    ticket.served = served
    this.#served.add(served)
    view.charge(tenant, charge.amount)
    view.acquire(served, ticket.prefix)
    ticket.place(view)
  }

  #leave(ticket: Ticket): void {
    this.#bounds.leave(ticket)
    this.fair.leave(ticket.tenant)
  }

  /** Of those that are full: another gateway may have what is this one's by right. */
  #wantPlaces(): void {
    for (const view of this.#views()) {
      if (view.ready && !view.hasRoom) {
        view.wantPlace()
      }
    }
  }

  /** Asks for what it lacks where it would cost least: for a slot first, else for the adapter itself. */
  #askFor(line: WaitingLine, ticket: Ticket | undefined): void {
    const { revision } = line
    const isUp = ticket !== undefined && this.#router.hasUntried(ticket)
    line.waitsFor = isUp ? 'Place' : 'Replica'
    if (revision === undefined || !isUp) {
      return
    }
    const asked = this.#asked.get(revision)
    const routable = this.#router.whereToAskForSlot(ticket, asked)
    if (routable !== undefined) {
      line.waitsFor = 'Slot'
      // One that is to go elsewhere than the others of its line moves nobody.
      if (routable !== asked && (asked === undefined || !isParticular(ticket))) {
        asked?.unwantSlot(revision)
        this.#asked.set(revision, routable)
      }
      routable.wantSlot(revision)
    } else if (!this.#router.hasFull(ticket)) {
      line.waitsFor = 'Load'
      this.#ensure(revision, this.#router.whereToLoad(ticket, this.#fullAt.get(revision)))
    }
  }

  #ensure(revision: string, view: ReplicaView | undefined): void {
    if (view === undefined || this.#ensuring.has(revision)) {
      return
    }
    this.#ensuring.add(revision)
    view.replica.link.ensure(revision).then(
      (answer) => {
        this.#ensuring.delete(revision)
        for (const one of this.#lines.all().filter((other) => other.revision === revision)) {
          if (answer.state === 'Loading') {
            one.estimateMs = answer.estimateMs
          } else if (answer.state === 'Failed' && !this.#goesElsewhere(one, view, answer)) {
            const words = `This adapter cannot be served: ${answer.message}`
            this.#refuseLine(one, () => new LoraplexError('adapter_failed', words))
          }
        }
      },
      () => this.#ensuring.delete(revision),
    )
  }

  /** One replica has no room for it: another may. */
  #goesElsewhere(line: WaitingLine, full: ReplicaView, { reason }: { reason: string }): boolean {
    const { revision = '', tickets } = line
    const [first] = tickets
    if (reason !== 'HostCacheFull' || first === undefined) {
      return false
    }
    const fullAt = this.#fullAt.get(revision) ?? new Set()
    this.#fullAt.set(revision, fullAt.add(full))
    this.#askFor(line, first)
    return line.waitsFor !== 'Load' || this.#ensuring.has(revision)
  }

  #refuseLine(line: WaitingLine, error: () => LoraplexError): void {
    const tickets = line.tickets.splice(0)
    this.#dropIfEmpty(line)
    for (const ticket of tickets) {
      this.#leave(ticket)
      ticket.refuse(error())
    }
  }

  #dropIfEmpty(line: WaitingLine): void {
    const { revision } = line
    if (
      line.tickets.length === 0 &&
      this.#lines.close(line) &&
      revision !== undefined &&
      !this.#lines.hasRevision(revision)
    ) {
      for (const view of this.#views()) {
        view.unwantSlot(revision)
      }
      this.#asked.delete(revision)
      this.#fullAt.delete(revision)
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

  #timedOut(line: WaitingLine): LoraplexError {
    switch (line.waitsFor) {
      case 'Slot':
      case 'Place':
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

/** Others may be placed before it. */
function isParticular({ tried, isOnTrial }: Ticket): boolean {
  return tried.size > 0 || isOnTrial
}

function inputOf({ sizeBytes, contextWindow = Number.POSITIVE_INFINITY }: Ticket): number {
  return Math.min(Math.ceil(sizeBytes / bytesPerToken), contextWindow)
}

/** Whom an engine lost waits for its next process no longer than a queue takes. */
function warmthFor({ lost }: Ticket, warmth: PoolWarmth): PoolWarmth {
  return lost === undefined ? warmth : { warmSince: lost.at, settledSince: lost.at }
}

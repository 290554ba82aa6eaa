import { EngineCostFit } from '../../core/engine-cost-fit.ts'
import type { ServedTokens } from '../../core/fair-share.ts'
import { RequestSizes } from '../../core/request-sizes.ts'
import { chooseReplica, optionCost, type RouteRule } from '../../core/choose-replica.ts'
import type { PaceSource } from '../relay/pace.ts'
import type { Copy, Placement, ReplicaAsk, ReplicaOption, ReplicaView } from '../replica-view.ts'
import type { SlotDelay } from '../replica/slot-lease.ts'
import type { Work } from '../replica/work.ts'
import { RoutableIndex } from './routable-index.ts'
import type { Ticket } from './ticket.ts'
import { TokenTotals } from './token-totals.ts'

/** With other gateways choosing too, costs that differ by no more than this are equal: each is a little wrong. */
const nearness = 0.03

/** Where a pool's requests go: to whichever replica they cost everybody least at. */
export class PoolRouter {
  readonly #views: () => readonly ReplicaView[]
  readonly #now: () => number
  /** What work costs here, as streams show it. */
  readonly fit = new EngineCostFit()
  readonly totals = new TokenTotals()
  readonly #index = new RoutableIndex()
  readonly #sizes = new RequestSizes()

  /** @param now milliseconds, monotonic */
  constructor(views: () => readonly ReplicaView[], now: () => number) {
    this.#views = views
    this.#now = now
  }

  /** The replicas that have it are others now. */
  forget(revision: string): void {
    this.#index.forget(revision)
  }

  /** A request came, or comes again after an engine failed it. What is no work for a GPU needs no replicas. */
  arrived(ticket: Ticket): void {
    if (ticket.countedInput === undefined && ticket.isCount !== true) {
      ticket.countedInput = this.#askOf(ticket).promptTokens
      this.totals.arrived(ticket.countedInput)
    }
  }

  /**
   * The best replica that can take it now. A busy adapter is invited into a slot that nobody has, where it would cost less
   * there, although it is a further one to that engine.
   */
  findPlace(ticket: Ticket): ReplicaView | undefined {
    const { revision } = ticket
    return revision === undefined
      ? this.#placeOfBase(ticket)
      : this.#placeAmong(this.#index.of(this.#views(), revision), revision, ticket)
  }

  #placeAmong(copies: readonly Copy[], revision: string, ticket: Ticket): ReplicaView | undefined {
    const ask = this.#askOf(ticket)
    const open: ReplicaOption[] = []
    const closed: ReplicaOption[] = []
    for (const copy of copies) {
      const { view } = copy
      const placement = view.placementThere(copy)
      if (placement === 'Now') {
        if (mayTry(view, ticket)) {
          open.push(optionAt(copy, ask))
        }
      } else if (placement === 'NeedsSlot' && view.freeSlots > 0) {
        closed.push(optionAt(copy, ask))
      }
    }
    const rule = this.#rule
    const best = chooseReplica(open, rule)
    if (best !== undefined && closed.length > 0) {
      const idler = chooseReplica(closed, rule)
      if (idler !== undefined && optionCost(idler, rule.costs) < optionCost(best, rule.costs)) {
        idler.view.inviteIntoFreeSlot(revision)
      }
    }
    return best?.view
  }

  #placeOfBase(ticket: Ticket): ReplicaView | undefined {
    const ask = this.#askOf(ticket)
    const open: ReplicaOption[] = []
    for (const view of this.#views()) {
      if (view.hasRoom && mayTry(view, ticket)) {
        open.push(view.optionFor(ask, { isActive: true, needsLoad: false }))
      }
    }
    return chooseReplica(open, this.#rule)?.view
  }

  /**
   * Of those that lack a slot for it the best: where it is to be had at once, because it runs there already or one is free;
   * else where one is only kept; else anywhere. Where it was asked for already, unless it is to be had sooner elsewhere: who
   * asks at many places at once is given more slots than are used.
   */
  whereToAskForSlot(ticket: Ticket, asked: ReplicaView | undefined): ReplicaView | undefined {
    const lacking = this.#untriedWith(ticket, 'NeedsSlot')
    const delays = new Map(lacking.map((copy) => [copy, copy.view.slotDelayOf(copy)]))
    const soonest = slotDelays.find((delay) => [...delays.values()].includes(delay))
    const soon = lacking.filter((copy) => delays.get(copy) === soonest)
    if (soon.some(({ view }) => view === asked)) {
      return asked
    }
    const ask = this.#askOf(ticket)
    const options = soon
      .sort((left, right) => right.view.freeSlots - left.view.freeSlots)
      .map((copy) => optionAt(copy, ask))
    return chooseReplica(options, this.#rule)?.view
  }

  /** Nothing but a place at an engine is missing to it. */
  hasFull(ticket: Ticket): boolean {
    return this.#untriedWith(ticket, 'Full').length > 0
  }

  /** An engine is up that has not failed it. */
  hasUntried({ tried }: Ticket): boolean {
    return this.#views().some((view) => view.ready && !tried.has(view.engineProcess))
  }

  /** Where it would cost least, with the load, but for those without room. */
  whereToLoad(ticket: Ticket, fullAt?: ReadonlySet<ReplicaView>): ReplicaView | undefined {
    const { tried } = ticket
    const possible = this.#views().filter(
      (view) => view.ready && !tried.has(view.engineProcess) && fullAt?.has(view) !== true,
    )
    const ask = this.#askOf(ticket)
    const options = possible.map((view) =>
      view.optionFor(ask, {
        isActive: false,
        needsLoad: true,
      }),
    )
    return chooseReplica(options, this.#rule)?.view
  }

  /** What it will be to the replica that it goes to. */
  workOf(ticket: Ticket, view: ReplicaView): Work {
    const ask = this.#askOf(ticket)
    const promptTokens = view.uncachedTokens(ask)
    return {
      revision: ticket.revision,
      promptTokens,
      tokensToRead: view.queuedPromptTokens + promptTokens,
      sentAtMs: this.#now(),
      isStreamed: ticket.isStreamed,
      expectedTokens: ask.outputTokens,
      remainingTokens: ask.outputTokens,
      isRead: false,
    }
  }

  /** Its first token came. */
  begun(work: Work, view: ReplicaView): void {
    if (!work.isRead) {
      this.fit.noteFirstToken(this.#now() - work.sentAtMs, work.tokensToRead)
    }
    view.read(work)
  }

  /**
   * @param tokens of the stream's answer so far
   * @param looked see `PaceSource`
   */
  paceOf(view: ReplicaView, tokens: () => number, looked: () => void): PaceSource {
    return {
      looked,
      tokens,
      engine: () => view.runs,
      isWanted: (atMs) => view.pace.isSampleDue(atMs),
      found: (ms, running, adapters) => {
        view.pace.note(ms)
        this.fit.noteStep(ms, running, adapters)
      },
    }
  }

  /** It has so many tokens by now. */
  progress(ticket: Ticket, work: Work, view: ReplicaView, outputTokens: number): void {
    view.expect(work, this.#outputTokensOf(ticket), outputTokens)
  }

  /** An engine counted an answer. What its cache had of the prompt, it did not read. */
  note(ticket: Ticket, work: Work, { input, output }: ServedTokens): void {
    const { countedInput = 0 } = ticket
    const uncachedPart = Math.min(1, work.promptTokens / (this.#askOf(ticket).promptTokens || 1))
    ticket.countedInput = input > 0 ? input * uncachedPart : countedInput
    this.totals.ended(countedInput, { input: ticket.countedInput, output })
    this.#sizes.note(ticket, ticket.sizeBytes, input, output)
  }

  #askOf(ticket: Ticket): ReplicaAsk {
    const { sizeBytes, prefix, contextWindow = Number.POSITIVE_INFINITY } = ticket
    return {
      promptTokens: Math.min(this.#sizes.promptTokens(sizeBytes), contextWindow),
      outputTokens: this.#outputTokensOf(ticket),
      prefix,
    }
  }

  #outputTokensOf(ticket: Ticket): number {
    return Math.min(this.#sizes.outputTokens(ticket), ticket.outputCap ?? Number.POSITIVE_INFINITY)
  }

  #untriedWith({ revision, tried }: Ticket, placement: Placement): Copy[] {
    return revision === undefined
      ? []
      : this.#index
          .of(this.#views(), revision)
          .filter(
            (copy) =>
              !tried.has(copy.view.engineProcess) && copy.view.placementThere(copy) === placement,
          )
  }

  get #rule(): RouteRule {
    const isShared = this.#views().some((view) => view.isShared)
    return { costs: this.fit.costs, nearness: isShared ? nearness : 0 }
  }
}

const slotDelays: readonly SlotDelay[] = ['AtOnce', 'OnDemand', 'WhenOneEnds']

function mayTry(view: ReplicaView, { tried, isOnTrial }: Ticket): boolean {
  return !tried.has(view.engineProcess) && !(isOnTrial && view.hasTrial)
}

function optionAt({ view, isActive }: Copy, ask: ReplicaAsk): ReplicaOption {
  return view.optionFor(ask, { isActive, needsLoad: false })
}

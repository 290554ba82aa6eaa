import type { ServedTokens } from '../../core/fair-share.ts'
import { RequestSizes } from '../../core/request-sizes.ts'
import { chooseReplica, optionCost, type RouteRule } from '../../core/choose-replica.ts'
import type { Copy, Placement, ReplicaAsk, ReplicaOption, ReplicaView } from '../replica-view.ts'
import type { Work } from '../replica/work.ts'
import { RoutableIndex } from './routable-index.ts'
import type { Ticket } from './ticket.ts'

/** With other gateways choosing too, costs that differ by no more than this are equal: each is a little wrong. */
const nearness = 0.03

/** Where a pool's requests go: to whichever replica they cost everybody least at. */
export class PoolRouter {
  readonly #views: () => readonly ReplicaView[]
  readonly #index = new RoutableIndex()
  readonly #sizes = new RequestSizes()

  constructor(views: () => readonly ReplicaView[]) {
    this.#views = views
  }

  /** The replicas that have it are others now. */
  forget(revision: string): void {
    this.#index.forget(revision)
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
          open.push(optionAt(view, ask, copy.isActive))
        }
      } else if (placement === 'NeedsSlot' && view.freeSlots > 0) {
        closed.push(optionAt(view, ask, copy.isActive))
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
        open.push(optionAt(view, ask, true))
      }
    }
    return chooseReplica(open, this.#rule)?.view
  }

  /** Of those that lack a slot for it: one where some are free, if there is any, else the best. */
  whereToAskForSlot(ticket: Ticket): ReplicaView | undefined {
    const lacking = this.#untriedWith(ticket, 'NeedsSlot').sort(
      (left, right) => right.view.freeSlots - left.view.freeSlots,
    )
    const free = lacking.filter(({ view }) => view.freeSlots > 0)
    const ask = this.#askOf(ticket)
    const options = (free.length > 0 ? free : lacking).map(({ view, isActive }) =>
      optionAt(view, ask, isActive),
    )
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

  /** Where it would cost least, with the load. */
  whereToLoad(ticket: Ticket): ReplicaView | undefined {
    const { tried } = ticket
    const untried = this.#views().filter((view) => view.ready && !tried.has(view.engineProcess))
    const ask = this.#askOf(ticket)
    const options = untried.map((view) => optionAt(view, ask, false, true))
    return chooseReplica(options, this.#rule)?.view
  }

  /** What it will be to the replica that it goes to. */
  workOf(ticket: Ticket, view: ReplicaView): Work {
    const ask = this.#askOf(ticket)
    return {
      revision: ticket.revision,
      promptTokens: view.uncachedTokens(ask),
      remainingTokens: ask.outputTokens,
      isRead: false,
    }
  }

  /** It has so many tokens by now. */
  progress(ticket: Ticket, work: Work, view: ReplicaView, outputTokens: number): void {
    view.expect(work, Math.max(0, this.#outputTokensOf(ticket) - outputTokens))
  }

  /** An engine counted a whole answer. */
  note(ticket: Ticket, { input, output }: ServedTokens): void {
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
    return { costs: undefined, nearness: isShared ? nearness : 0 }
  }
}

function mayTry(view: ReplicaView, { tried, isOnTrial }: Ticket): boolean {
  return !tried.has(view.engineProcess) && !(isOnTrial && view.hasTrial)
}

function optionAt(
  view: ReplicaView,
  ask: ReplicaAsk,
  isActive: boolean,
  needsLoad = false,
): ReplicaOption {
  return view.optionFor(ask, isActive, needsLoad)
}

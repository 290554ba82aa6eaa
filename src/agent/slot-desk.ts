import type { HelloMessage, LeaseAnswer, LeaseRequest, LoadMessage } from '../api/agent-protocol.ts'
import type { EngineLoad } from '../core/engine-window.ts'
import { SlotTable, type SlotSettings, type SlotView } from '../core/slots.ts'
import { Bell } from './bell.ts'
import type { Clock } from './clock.ts'
import { PlaceDesk } from './place-desk.ts'

/** What a desk does for gateways, for the hello. */
export const gatewayTerms = {
  shares: true,
  tellsLoads: true,
} as const satisfies Partial<HelloMessage>

export interface SlotDeskOptions {
  readonly settings: SlotSettings
  readonly clock: Clock
  isRoutable(revision: string): boolean
  /** These gateways had better call now. Called in a turn of its own. */
  onStale(gateways: readonly string[]): void
}

/** The slot table and the places with a clock, and with those who wait for it here: loads, canaries, drains. */
export class SlotDesk {
  readonly #options: SlotDeskOptions
  readonly #table: SlotTable
  readonly #places: PlaceDesk
  readonly #waiters = new Set<Bell>()
  #open = false
  #staleQueued = false

  constructor(options: SlotDeskOptions) {
    this.#options = options
    this.#table = new SlotTable(options.settings)
    this.#places = new PlaceDesk(options.clock, options.settings)
  }

  get slots(): Pick<SlotTable, 'used' | 'total' | 'waiting'> {
    const { total, used, waiting } = this.#table
    return { total, used, waiting }
  }

  /** As the state stream tells it: slots, and what all gateways have at the engine. */
  get load(): Pick<LoadMessage, 'slots' | 'gateways' | 'adapters'> {
    const { total, used, kept } = this.#table
    const { gateways, active } = this.#places.loads
    return { slots: { total, used, kept }, gateways, adapters: active.size }
  }

  /** Revisions that any gateway has at the engine, as `load` counts them. */
  get active(): ReadonlySet<string> {
    return this.#places.loads.active
  }

  lease(request: LeaseRequest): LeaseAnswer {
    const share = this.#places.call(request)
    const answer = this.#table.lease(request, this.#view)
    this.#changed()
    return share === undefined ? answer : { ...answer, share }
  }

  /** The engine was looked at. */
  note(load: EngineLoad): void {
    this.#places.note(load)
  }

  setOpen(open: boolean): void {
    if (this.#open !== open) {
      this.#open = open
      this.#table.nudge()
      this.advance()
    }
  }

  advance(): void {
    this.#table.advance(this.#view)
    this.#changed()
  }

  /** Routability of one revision changed: its holders must hear of it, its waiters may now be served. */
  revisit(revision: string): void {
    this.#table.nudge(revision)
    this.advance()
  }

  clear(): void {
    this.#table.clear()
    this.#places.reset()
    this.#changed()
  }

  isHeld(revision: string): boolean {
    return this.#table.isHeld(revision)
  }

  /** A slot for a load or a canary, ahead of all gateways. False: none came back in time; the claim is dropped. */
  async claimWork(limitMs: number, signal: AbortSignal): Promise<boolean> {
    const claimed = await this.#until(() => this.#table.claimWork(this.#view), limitMs, signal)
    if (!claimed) {
      this.releaseWork()
    }
    return claimed
  }

  releaseWork(): void {
    this.#table.releaseWork(this.#view)
    this.#changed()
  }

  /** True once nothing may be in flight any more; false when the time is over first. */
  async whenIdle(limitMs: number, signal: AbortSignal): Promise<boolean> {
    return this.#until(() => this.#table.used === 0, limitMs, signal)
  }

  async #until(reached: () => boolean, limitMs: number, signal: AbortSignal): Promise<boolean> {
    const { clock } = this.#options
    const deadlineMs = clock.now() + limitMs
    const bell = new Bell(clock)
    const ring = (): void => bell.ring()
    this.#waiters.add(bell)
    signal.addEventListener('abort', ring)
    try {
      while (!signal.aborted) {
        const done = reached()
        this.#pushStale()
        if (done || clock.now() >= deadlineMs) {
          return done
        }
        await bell.wait(deadlineMs - clock.now())
      }
      return false
    } finally {
      this.#waiters.delete(bell)
      signal.removeEventListener('abort', ring)
    }
  }

  get #view(): SlotView {
    return {
      nowMs: this.#options.clock.now(),
      open: this.#open,
      isRoutable: (revision) => this.#options.isRoutable(revision),
    }
  }

  #changed(): void {
    for (const bell of this.#waiters) {
      bell.ring()
    }
    this.#pushStale()
  }

  /** Not from within a gateway's own call: it would call again before it has its answer. */
  #pushStale(): void {
    if (!this.#staleQueued && this.#table.hasStale) {
      this.#staleQueued = true
      queueMicrotask(() => {
        this.#staleQueued = false
        const stale = this.#table.takeStale()
        if (stale.length > 0) {
          this.#options.onStale(stale)
        }
      })
    }
  }
}

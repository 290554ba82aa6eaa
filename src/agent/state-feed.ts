import type {
  HelloMessage,
  LoadMessage,
  ResidencyState,
  StateMessage,
} from '../api/agent-protocol.ts'
import type { Clock, Timer } from './clock.ts'
import type { Logger } from './logger.ts'
import { StateHub } from './state-hub.ts'

export interface StateFeedOptions {
  readonly clock: Clock
  readonly logger: Logger
  hello(): HelloMessage
  load(): LoadMessage
  /** Revisions that have requests at the engine. */
  active(): ReadonlySet<string>
  /** Of everything that is known, by revision. */
  residencies(): ReadonlyMap<string, ResidencyState>
  /** Whether it may be granted has changed. */
  onRoutable(revision: string): void
}

/** Slot figures change with every request; followers hear of them at most so often. */
const loadEveryMs = 20

/** `GET /v1/state`: the whole state at first, then what changed since it was last told. */
export class StateFeed {
  readonly #options: StateFeedOptions
  readonly #hub: StateHub
  /** As last told, by revision. */
  readonly #told = new Map<string, string>()
  #toldActive: ReadonlySet<string> = new Set()
  #lastLoad = ''
  #loadTimer: Timer | undefined
  #closed = false

  constructor(options: StateFeedOptions) {
    this.#options = options
    this.#hub = new StateHub(() => this.#wholeState(), options.logger)
  }

  watch(onMessage: (message: StateMessage) => void): () => void {
    return this.#hub.watch(onMessage)
  }

  /** Everything anew: what was told before is void. */
  startOver(): void {
    this.#told.clear()
    this.#toldActive = this.#options.active()
    for (const [revision, residency] of this.#options.residencies()) {
      this.#remember(revision, JSON.stringify(residency))
    }
    this.#hub.publishAll()
  }

  residency(revision: string, residency: ResidencyState): void {
    const text = JSON.stringify(residency)
    const before = this.#told.get(revision) ?? absent
    if (text !== before) {
      this.#remember(revision, text)
      this.#hub.publish({ type: 'residency', revision, residency })
      if ((text === routable) !== (before === routable)) {
        this.#options.onRoutable(revision)
      }
    }
  }

  slots(gateways: readonly string[]): void {
    this.#hub.publish({ type: 'slots', gateways })
  }

  load(always: boolean): void {
    this.#activity()
    const message = this.#options.load()
    const text = JSON.stringify(message)
    if (always || text !== this.#lastLoad) {
      this.#lastLoad = text
      this.#hub.publish(message)
    }
  }

  loadSoon(): void {
    if (!this.#closed) {
      this.#loadTimer ??= this.#options.clock.after(loadEveryMs, () => {
        this.#loadTimer = undefined
        this.load(false)
      })
    }
  }

  close(): void {
    this.#closed = true
    this.#loadTimer?.cancel()
    this.#hub.close()
  }

  #activity(): void {
    const [before, now] = [this.#toldActive, this.#options.active()]
    const began = [...now].filter((revision) => !before.has(revision))
    const ended = [...before].filter((revision) => !now.has(revision))
    if (began.length > 0 || ended.length > 0) {
      this.#toldActive = now
      this.#hub.publish({ type: 'activity', began, ended })
    }
  }

  #remember(revision: string, text: string): void {
    if (text === absent) {
      this.#told.delete(revision)
    } else {
      this.#told.set(revision, text)
    }
  }

  #wholeState(): readonly StateMessage[] {
    const residencies = [...this.#options.residencies()].map(
      ([revision, residency]) => ({ type: 'residency', revision, residency }) as const,
    )
    const began = [...this.#toldActive]
    const activity = began.length === 0 ? [] : [{ type: 'activity', began, ended: [] } as const]
    return [this.#options.hello(), ...residencies, ...activity, this.#options.load()]
  }
}

const absent = JSON.stringify({ state: 'Absent' })
const routable = JSON.stringify({ state: 'Routable' })

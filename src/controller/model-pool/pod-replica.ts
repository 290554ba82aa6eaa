import type {
  HelloMessage,
  LoadMessage,
  ResidencyState,
  StateMessage,
} from '../../api/agent-protocol.ts'
import type { RemoteAgentLink } from '../../wire/agent-link.ts'
import type { ReplicaState } from './pool-replicas.ts'

const absent: ResidencyState = { state: 'Absent' }

let sessions = 0

function nextSession(): number {
  sessions += 1
  return sessions
}

/** `Service`: whether it takes requests; `Residency`: what it has. */
export type ReplicaNews = 'Service' | 'Residency'

/** One replica pod with what its agent says. */
export class PodReplica {
  readonly poolKey: string
  readonly link: RemoteAgentLink
  readonly #onChange: (what: ReplicaNews) => void
  readonly #residency = new Map<string, ResidencyState>()
  readonly #unwatch: () => void
  #hello: HelloMessage | undefined
  #load: LoadMessage | undefined
  #session = nextSession()
  #drains = false
  /** Chosen to go: new copies are made elsewhere. */
  isLeaving = false

  constructor(poolKey: string, link: RemoteAgentLink, onChange: (what: ReplicaNews) => void) {
    this.poolKey = poolKey
    this.link = link
    this.#onChange = onChange
    this.#unwatch = link.watchState((message) => this.#take(message))
  }

  get isDraining(): boolean {
    return this.#load?.draining === true
  }

  get inFlight(): number {
    return (this.#load?.running ?? 0) + (this.#load?.waiting ?? 0)
  }

  get engineWaiting(): number {
    return this.#load?.waiting ?? 0
  }

  /** Distinct ones in flight, while it takes requests; slots that are leased, where its agent is from before it said. */
  get activeAdapters(): number {
    const load = this.#load
    return load?.ready === true && !load.draining ? (load.adapters ?? load.slots.used) : 0
  }

  routable(): readonly string[] {
    return [...this.#residency].flatMap(([revision, { state }]) =>
      state === 'Routable' ? [revision] : [],
    )
  }

  isRoutable(revision: string): boolean {
    return this.#residency.get(revision)?.state === 'Routable'
  }

  state(): ReplicaState {
    return {
      name: this.link.replica,
      poolKey: this.poolKey,
      link: this.link,
      session: this.#session,
      ready: this.#load?.ready === true && !this.#load.draining,
      isLeaving: this.isLeaving,
      detail: this.#load?.detail ?? 'Its agent has not been heard yet.',
      engineVersion: this.#hello?.engineVersion ?? '',
      simulated: this.#hello?.simulated ?? false,
      // The last message of the whole state.
      isHeard: this.#load !== undefined,
      load: this.#load,
      residencyOf: (revision) => this.#residency.get(revision) ?? absent,
    }
  }

  /** Says it and does not wait: it may take as long as a stream. A call that fails is repeated by the next pass. */
  drain(): void {
    if (this.#drains) {
      return
    }
    this.#drains = true
    this.link
      .drain()
      .catch(() => undefined)
      .finally(() => {
        this.#drains = false
      })
  }

  async undrain(): Promise<void> {
    await this.link.undrain()
  }

  async close(): Promise<void> {
    this.#unwatch()
    await this.link.close()
  }

  #take(message: StateMessage): void {
    switch (message.type) {
      case 'hello':
        this.#residency.clear()
        this.#hello = message
        this.#session = nextSession()
        break
      case 'residency':
        if (message.residency.state === 'Absent') {
          this.#residency.delete(message.revision)
        } else {
          this.#residency.set(message.revision, message.residency)
        }
        break
      case 'load':
        if (!this.#takeLoad(message)) {
          return
        }
        break
      case 'activity':
      case 'slots':
        return
      default:
        message satisfies never
    }
    this.#onChange(message.type === 'load' ? 'Service' : 'Residency')
  }

  /** Whether it says more than new numbers. */
  #takeLoad(message: LoadMessage): boolean {
    const before = this.#load
    this.#load = message
    return (
      before?.ready !== message.ready ||
      before.detail !== message.detail ||
      before.draining !== message.draining
    )
  }
}

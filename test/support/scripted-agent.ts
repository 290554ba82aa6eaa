import type {
  AgentLink,
  DesiredAnswer,
  EnsureAnswer,
  LeaseAnswer,
  LeaseRequest,
  ResidencyState,
  StateMessage,
} from '../../src/api/agent-protocol.ts'

/** An agent that says what a test tells it to; by default it is up and grants every slot that is asked for. */
export class ScriptedAgent implements AgentLink {
  readonly replica: string
  readonly leases: LeaseRequest[] = []
  readonly ensured: string[] = []
  readonly #watchers = new Set<(message: StateMessage) => void>()
  readonly #residency = new Map<string, ResidencyState>()
  #engineProcess = ''
  #ready = false
  #draining = false
  /** What its engine says of its window; told with the next `up`. */
  maxModelLen: number | undefined
  /** Slots there are. */
  slots = 1000
  /** Slots that another gateway has and does not use. */
  kept = 0
  /** Held by whoever asked first, until it leaves them out of both lists. */
  readonly granted = new Set<string>()
  /** What a lease says of what it holds; a test adds to it. */
  readonly reclaimed = new Set<string>()
  leaseAnswers: (request: LeaseRequest) => Promise<LeaseAnswer> = (request) => this.#grant(request)
  ensureAnswers: (revision: string) => Promise<EnsureAnswer> = () =>
    Promise.resolve({ state: 'Loading', estimateMs: 100 })

  constructor(replica: string) {
    this.replica = replica
  }

  /** An engine process is up, with nothing loaded; a new name is a new process. */
  up(engineProcess: string): void {
    this.#engineProcess = engineProcess
    this.#ready = true
    this.#residency.clear()
    this.granted.clear()
    for (const watcher of this.#watchers) {
      this.#tell(watcher)
    }
  }

  down(): void {
    this.#ready = false
    this.#send(this.#load())
  }

  /** The engine process is gone, and no other one is there yet. */
  gone(): void {
    this.up('')
    this.down()
  }

  routable(...revisions: readonly string[]): void {
    for (const revision of revisions) {
      this.reside(revision, { state: 'Routable' })
    }
  }

  reside(revision: string, residency: ResidencyState): void {
    this.#residency.set(revision, residency)
    this.#send({ type: 'residency', revision, residency })
  }

  /** Another gateway's requests for these began or ended. */
  active(began: readonly string[], ended: readonly string[] = []): void {
    this.#send({ type: 'activity', began, ended })
  }

  /** Grants may have changed: whoever holds some had better ask. */
  tellSlots(...gateways: readonly string[]): void {
    this.#send({ type: 'slots', gateways })
  }

  setDesired(): Promise<DesiredAnswer> {
    return Promise.resolve({ accepted: true, term: 1, sequence: 1 })
  }

  ensure(revision: string): Promise<EnsureAnswer> {
    this.ensured.push(revision)
    return this.ensureAnswers(revision)
  }

  lease(request: LeaseRequest): Promise<LeaseAnswer> {
    this.leases.push(request)
    return this.leaseAnswers(request)
  }

  drain(): Promise<void> {
    this.#draining = true
    this.#send(this.#load())
    return Promise.resolve()
  }

  undrain(): void {
    this.#draining = false
    this.#send(this.#load())
  }

  watchState(onMessage: (message: StateMessage) => void): () => void {
    this.#watchers.add(onMessage)
    this.#tell(onMessage)
    return () => this.#watchers.delete(onMessage)
  }

  #grant({ wanted, inFlight }: LeaseRequest): Promise<LeaseAnswer> {
    for (const revision of this.granted) {
      if (!(revision in inFlight)) {
        this.granted.delete(revision)
        this.reclaimed.delete(revision)
      }
    }
    for (const revision of wanted) {
      if (this.granted.size < this.slots) {
        this.granted.add(revision)
      }
    }
    return Promise.resolve({
      granted: [...this.granted],
      reclaimed: [...this.reclaimed].filter((revision) => this.granted.has(revision)),
      ttlMs: 5000,
    })
  }

  #tell(watcher: (message: StateMessage) => void): void {
    watcher({
      type: 'hello',
      replica: this.replica,
      engineProcess: this.#engineProcess,
      engineVersion: '0.32.0',
      simulated: true,
      ...(this.maxModelLen === undefined ? {} : { maxModelLen: this.maxModelLen }),
    })
    for (const [revision, residency] of this.#residency) {
      watcher({ type: 'residency', revision, residency })
    }
    watcher(this.#load())
  }

  #load(): StateMessage {
    return {
      type: 'load',
      ready: this.#ready,
      detail: this.#ready ? '' : 'scripted to be down',
      draining: this.#draining,
      running: 0,
      waiting: 0,
      kvCacheUsage: 0,
      slots: { total: this.slots, used: this.granted.size + this.kept, kept: this.kept },
    }
  }

  #send(message: StateMessage): void {
    for (const watcher of this.#watchers) {
      watcher(message)
    }
  }
}

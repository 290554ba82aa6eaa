import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import type { DesiredAnswer, DesiredRequest, ResidencyState } from '../../src/api/agent-protocol.ts'
import type { StatusByKind } from '../../src/api/condition.ts'
import type { Kind, ResourceSnapshot } from '../../src/api/kinds.ts'
import type { LoraAdapter } from '../../src/api/lora-adapter.ts'
import { keyOf } from '../../src/api/metadata.ts'
import { Controller } from '../../src/controller/controller.ts'
import type { PoolReplicas, ReplicaState } from '../../src/controller/model-pool/pool-replicas.ts'
import type { ResourceSource, ResourceUpdate } from '../../src/resources/resource-source.ts'
import { aKey, anAdapter, aPool, aSnapshot, aTenant, sha256 } from './builders.ts'

const poolKey = 'models/llama'
/** Room for five hundred on each replica with a quarter to spare. */
const lora = { maxLoras: 8, maxCpuLoras: 1024 }
const absent: ResidencyState = { state: 'Absent' }
const routable: ResidencyState = { state: 'Routable' }

/** A controller among things that answer at once and cost next to nothing: what takes time here is its own work. */
export class LoadedController {
  readonly controller: Controller
  /** Milliseconds are CPU time: what else runs on the machine does not count. */
  readonly figures = { passes: 0, passMs: 0, longestMs: 0, orders: 0, entries: 0, bytes: 0 }
  readonly #source = new HeldSource()
  readonly #agents: readonly HeldAgent[]
  #acknowledged: ReadonlySet<string> = new Set()
  #lastNewsMs = 0
  #before = process.threadCpuUsage()

  constructor(replicas: number) {
    this.#agents = Array.from({ length: replicas }, (_, at) => this.#agent(`models/llama-${at}`))
    this.#source.put(aSnapshot([aPool('llama').withReplicas(replicas).with({ lora })]))
    this.controller = new Controller({
      source: this.#source,
      replicas: heldReplicas(this.#agents),
      intake: {
        fetch: ({ uri }) => {
          const digest = sha256(uri)
          const adapter = { digest, path: `/store/${digest}`, sizeBytes: 50_000_000 }
          return Promise.resolve({ outcome: 'Stored', adapter })
        },
        stored: (digest) =>
          Promise.resolve({ digest, path: `/store/${digest}`, sizeBytes: 50_000_000 }),
        preflight: () =>
          Promise.resolve({ verdict: 'Compatible', facts: { rank: 16 } as never, notices: [] }),
      },
      acknowledged: () => this.#acknowledged,
      // Asked before a pass, and again in it whenever others had their turn.
      mayAct: () => {
        this.#stepEnded()
        return true
      },
      onPass: () => {
        this.#stepEnded()
        this.figures.passes += 1
        this.#lastNewsMs = performance.now()
      },
      term: () => 1,
      logger: { info: () => undefined, warn: () => undefined },
    })
    this.controller.start()
  }

  get count(): number {
    return this.#source.current().snapshot.adapters.size
  }

  reset(): void {
    Object.assign(this.figures, {
      passes: 0,
      passMs: 0,
      longestMs: 0,
      orders: 0,
      entries: 0,
      bytes: 0,
    })
    this.#before = process.threadCpuUsage()
  }

  /** Where one turn of the event loop ended, at the latest. */
  #stepEnded(): void {
    const { user, system } = process.threadCpuUsage(this.#before)
    this.#before = process.threadCpuUsage()
    const tookMs = (user + system) / 1000
    this.figures.passMs += tookMs
    this.figures.longestMs = Math.max(this.figures.longestMs, tookMs)
  }

  /** More tenants, each with a key and adapters in a namespace of its own. */
  add(tenants: number, adaptersEach: number): void {
    const first = this.#source.current().snapshot.tenants.size
    const objects = Array.from({ length: tenants }, (_, at) => {
      const name = `t${first + at}`
      const adapters = Array.from({ length: adaptersEach }, (__, which) =>
        anAdapter(`a${which}`)
          .in(name)
          .withCopies(1, 1)
          .with({ source: { uri: `https://models.example/${name}/a${which}.tar.gz` } }),
      )
      return [aTenant(name).claiming(name), aKey(name).in(name), ...adapters]
    })
    const { pools, adapters, tenants: before, keys } = this.#source.current().snapshot
    const more = aSnapshot(objects.flat())
    this.#source.put({
      ...more,
      pools,
      adapters: new Map([...adapters, ...more.adapters]),
      tenants: new Map([...before, ...more.tenants]),
      keys: new Map([...keys, ...more.keys]),
    })
  }

  /** Another source for one adapter. */
  change(): void {
    const { snapshot } = this.#source.current()
    const [[key, adapter] = missing()] = snapshot.adapters
    const changed: LoraAdapter = {
      ...adapter,
      metadata: { ...adapter.metadata, generation: adapter.metadata.generation + 1 },
      spec: { ...adapter.spec, source: { uri: 'https://models.example/another.tar.gz' } },
    }
    this.#source.put({ ...snapshot, adapters: new Map(snapshot.adapters).set(key, changed) })
  }

  /** Somebody wrote over a status. */
  touchStatus(): void {
    const [adapter = missing()] = this.#source.current().snapshot.adapters.values()
    const key = keyOf(adapter.metadata)
    const status = this.#source.status('LoraAdapter', key)
    if (status !== undefined) {
      this.#source.writeStatus('LoraAdapter', key, { ...status, conditions: [] })
      this.controller.kick()
    }
  }

  restartReplica(): void {
    this.#agents[0]?.restart()
    this.#news()
  }

  /** A gateway that knows nothing yet, and everything a moment later. */
  acknowledgeAnew(): void {
    this.#acknowledged = new Set()
    this.#news()
  }

  /** All are Ready, and no pass has run for a moment. */
  async settled(withinMs: number): Promise<void> {
    const deadline = performance.now() + withinMs
    this.#lastNewsMs = performance.now()
    while (performance.now() - this.#lastNewsMs < 2500 || !this.#areReady()) {
      if (performance.now() > deadline) {
        throw new Error(`not settled after ${withinMs} ms`)
      }
      await delay(50)
      this.#acknowledge()
      this.#before = process.threadCpuUsage()
    }
  }

  async close(): Promise<void> {
    await this.controller.close(0)
  }

  #areReady(): boolean {
    const { adapters } = this.#source.current().snapshot
    return this.#source.status('ModelPool', poolKey)?.adapters.routable === adapters.size
  }

  /** As a gateway would: what some replica has. */
  #acknowledge(): void {
    const held = new Set(this.#agents.flatMap(({ loaded }) => [...loaded]))
    if (held.size !== this.#acknowledged.size) {
      this.#acknowledged = held
      this.#news()
    }
  }

  #news(): void {
    this.#lastNewsMs = performance.now()
    this.controller.kick()
  }

  #agent(name: string): HeldAgent {
    return new HeldAgent(name, (request) => {
      this.figures.orders += 1
      this.figures.entries += request.entries.length + (request.change?.gone.length ?? 0)
      // As on the wire.
      this.figures.bytes += JSON.stringify(request).length
      setImmediate(() => this.#news())
    })
  }
}

/** Has at once what it is told to load. */
class HeldAgent {
  readonly name: string
  readonly loaded = new Set<string>()
  readonly #onOrder: (request: DesiredRequest) => void
  #session = 1

  constructor(name: string, onOrder: (request: DesiredRequest) => void) {
    this.name = name
    this.#onOrder = onOrder
  }

  restart(): void {
    this.loaded.clear()
    this.#session += 1
  }

  state(): ReplicaState {
    return {
      name: this.name,
      poolKey,
      ready: true,
      session: this.#session,
      detail: '',
      engineVersion: '0.32.0',
      simulated: true,
      residencyOf: (revision) => (this.loaded.has(revision) ? routable : absent),
      link: { setDesired: (request) => this.#take(request) },
    }
  }

  #take(request: DesiredRequest): Promise<DesiredAnswer> {
    const { term, sequence, entries, change } = request
    if (change === undefined) {
      this.loaded.clear()
    }
    change?.gone.forEach((revision) => this.loaded.delete(revision))
    for (const { revision, want } of entries) {
      if (want === 'Loaded') {
        this.loaded.add(revision)
      } else {
        this.loaded.delete(revision)
      }
    }
    this.#onOrder(request)
    return Promise.resolve({ accepted: true, term, sequence })
  }
}

function heldReplicas(agents: readonly HeldAgent[]): PoolReplicas {
  return {
    sync: () => undefined,
    states: () => agents.map((agent) => agent.state()),
    failureOf: () => undefined,
    factsOf: () => ({ desiredReplicas: agents.length, verdicts: [] }),
    watch: () => () => undefined,
    close: () => Promise.resolve(),
  }
}

/** Objects and statuses as values. */
class HeldSource implements ResourceSource {
  readonly #statuses = new Map<string, StatusByKind[Kind]>()
  readonly #watchers = new Set<(update: ResourceUpdate) => void>()
  #update: ResourceUpdate = { snapshot: aSnapshot([]), problems: [] }

  put(snapshot: ResourceSnapshot): void {
    this.#update = { snapshot, problems: [] }
    this.#watchers.forEach((watcher) => watcher(this.#update))
  }

  current(): ResourceUpdate {
    return this.#update
  }

  watch(onUpdate: (update: ResourceUpdate) => void): () => void {
    this.#watchers.add(onUpdate)
    return () => {
      this.#watchers.delete(onUpdate)
    }
  }

  writeStatus<K extends Kind>(kind: K, key: string, status: StatusByKind[K] | undefined): void {
    if (status === undefined) {
      this.#statuses.delete(`${kind}/${key}`)
    } else {
      this.#statuses.set(`${kind}/${key}`, status)
    }
  }

  status<K extends Kind>(kind: K, key: string): StatusByKind[K] | undefined {
    // `writeStatus` keeps each under its kind.
    return this.#statuses.get(`${kind}/${key}`) as StatusByKind[K] | undefined
  }

  start(): Promise<void> {
    return Promise.resolve()
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

function missing(): never {
  throw new Error('there is no adapter yet')
}

import type {
  AgentLink,
  HelloMessage,
  LoadMessage,
  ResidencyState,
  StateMessage,
} from '../../api/agent-protocol.ts'
import { keyOf } from '../../api/metadata.ts'
import type { ModelPool } from '../../api/model-pool.ts'
import type { PoolFacts } from '../../core/statuses.ts'
import type { Engine } from '../../engine/types.ts'
import type { PoolReplicas, ReplicaState } from './pool-replicas.ts'

/** An engine with its agent, as whoever makes them hands them over. */
export interface ManagedReplica {
  readonly name: string
  readonly engine: Engine
  readonly link: AgentLink
  /** Content whose files the engine may still read; it must not be deleted yet. */
  mayDelete(digest: string): boolean
  start(): void
  /** Lets what runs finish for at most `graceMs`, then ends the engine where it is ours. */
  close(graceMs: number): Promise<void>
}

export interface ReplicaFactory {
  /** `place` counts from 0, or names one of `engine.endpoints`. */
  create(pool: ModelPool, place: number | string): Promise<ManagedReplica>
  /** Changes when a replica made before would be made differently now. */
  fingerprint(pool: ModelPool, place: number | string): string
}

interface Member {
  readonly poolKey: string
  readonly fingerprint: string
  readonly replica: ManagedReplica
  readonly drainMs: number
  unwatch: () => void
  readonly residency: Map<string, ResidencyState>
  hello: HelloMessage | undefined
  load: LoadMessage | undefined
  session: number
}

/** A state with the engine it speaks of: what one process has and a cluster has not. */
export interface ManagedState extends ReplicaState {
  readonly replica: ManagedReplica
}

const absent: ResidencyState = { state: 'Absent' }
const noFacts: PoolFacts = { verdicts: [] }

/** Makes, watches and ends replicas of this machine so that they are those the pools ask for. */
export class ReplicaSet implements PoolReplicas {
  readonly #factory: ReplicaFactory
  readonly #watchers = new Set<() => void>()
  readonly #members = new Map<string, Member>()
  readonly #busy = new Map<string, Promise<void>>()
  readonly #failures = new Map<string, string>()
  #closed = false

  constructor(factory: ReplicaFactory) {
    this.#factory = factory
  }

  watch(onChange: () => void): () => void {
    const watcher = (): void => onChange()
    this.#watchers.add(watcher)
    return () => {
      this.#watchers.delete(watcher)
    }
  }

  /** Level-triggered: call it with all pools at every change. */
  sync(pools: Iterable<ModelPool>): void {
    const wanted = new Map<string, { readonly pool: ModelPool; readonly place: number | string }>()
    const paused = new Set<string>()
    for (const pool of pools) {
      if (pool.spec.paused) {
        paused.add(keyOf(pool.metadata))
      }
      for (const place of placesOf(pool)) {
        wanted.set(`${keyOf(pool.metadata)}#${place}`, { pool, place })
      }
    }
    for (const [slot, member] of this.#members) {
      const want = wanted.get(slot)
      const changed =
        want === undefined ||
        this.#factory.fingerprint(want.pool, want.place) !== member.fingerprint
      if (changed && !paused.has(member.poolKey)) {
        this.#exclusive(slot, () => this.#remove(slot, member))
      }
    }
    for (const [slot, { pool, place }] of wanted) {
      if (!this.#members.has(slot) && !paused.has(keyOf(pool.metadata))) {
        this.#exclusive(slot, () => this.#add(slot, pool, place))
      }
    }
  }

  states(): readonly ManagedState[] {
    return [...this.#members.values()].map((member) => ({
      name: member.replica.name,
      poolKey: member.poolKey,
      replica: member.replica,
      link: member.replica.link,
      session: member.session,
      ready: member.load?.ready === true && !member.load.draining,
      detail: member.load?.detail ?? 'starting',
      engineVersion: member.hello?.engineVersion ?? '',
      simulated: member.hello?.simulated ?? false,
      load: member.load,
      residencyOf: (revision) => member.residency.get(revision) ?? absent,
    }))
  }

  /** Why a pool's engines could not even be made, if so. */
  failureOf(poolKey: string): string | undefined {
    return this.#failures.get(poolKey)
  }

  factsOf(): PoolFacts {
    return noFacts
  }

  #onChange(): void {
    this.#watchers.forEach((watcher) => watcher())
  }

  async close(graceMs: number): Promise<void> {
    this.#closed = true
    await Promise.allSettled(this.#busy.values())
    await Promise.allSettled(
      [...this.#members].map(async ([slot, member]) => {
        this.#members.delete(slot)
        member.unwatch()
        await member.replica.close(graceMs)
      }),
    )
  }

  /** One step at a time in each place: the old engine is gone before the next one starts there. */
  #exclusive(slot: string, step: () => Promise<void>): void {
    if (this.#closed || this.#busy.has(slot)) {
      return
    }
    const done = step().finally(() => {
      this.#busy.delete(slot)
      this.#onChange()
    })
    this.#busy.set(slot, done)
  }

  async #add(slot: string, pool: ModelPool, place: number | string): Promise<void> {
    const poolKey = keyOf(pool.metadata)
    let replica: ManagedReplica
    try {
      replica = await this.#factory.create(pool, place)
      this.#failures.delete(poolKey)
    } catch (error) {
      this.#failures.set(poolKey, error instanceof Error ? error.message : String(error))
      await new Promise((resolve) => setTimeout(resolve, 1000).unref())
      return
    }
    if (this.#closed) {
      await replica.close(0)
      return
    }
    const member: Member = {
      poolKey,
      fingerprint: this.#factory.fingerprint(pool, place),
      replica,
      drainMs: pool.spec.maxStreamSeconds * 1000,
      residency: new Map(),
      unwatch: () => undefined,
      hello: undefined,
      load: undefined,
      session: nextSession(),
    }
    member.unwatch = replica.link.watchState((message) => this.#note(member, message))
    this.#members.set(slot, member)
    replica.start()
  }

  #note(member: Member, message: StateMessage): void {
    switch (message.type) {
      case 'hello':
        member.residency.clear()
        member.hello = message
        member.session = nextSession()
        break
      case 'residency':
        member.residency.set(message.revision, message.residency)
        break
      case 'load': {
        const before = member.load
        member.load = message
        if (
          before !== undefined &&
          before.ready === message.ready &&
          before.detail === message.detail &&
          before.draining === message.draining
        ) {
          return // numbers alone decide nothing here
        }
        break
      }
      case 'activity':
      case 'slots':
        return
      default:
        message satisfies never
    }
    this.#onChange()
  }

  async #remove(slot: string, member: Member): Promise<void> {
    this.#members.delete(slot)
    member.unwatch()
    this.#onChange()
    // I4: its streams may end, as late as the pool lets them.
    await member.replica.close(member.drainMs)
  }
}

let sessions = 0

function nextSession(): number {
  sessions += 1
  return sessions
}

function placesOf(pool: ModelPool): readonly (number | string)[] {
  const { endpoints } = pool.spec.engine
  return endpoints.length > 0
    ? endpoints.map((endpoint) => endpoint.name)
    : Array.from({ length: pool.spec.replicas }, (_, place) => place)
}

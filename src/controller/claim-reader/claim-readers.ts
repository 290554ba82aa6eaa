import { annotations } from '../../api/cluster-names.ts'
import { keyOf } from '../../api/metadata.ts'
import type { ModelPool } from '../../api/model-pool.ts'
import { problem } from '../../artifacts/problems.ts'
import { parseSourceUri } from '../../artifacts/source-uri.ts'
import type { FetchOutcome } from '../../artifacts/types.ts'
import { planReader, readerObjectName, readerPolicyName } from '../../core/claim-reader.ts'
import type { WorkloadSettings } from '../../core/workload-input.ts'
import { KubeApiError } from '../../resources/kubernetes/kube-api-error.ts'
import type { KubeLogger } from '../../resources/kubernetes/kube-logger.ts'
import { keyOfObject } from '../../resources/kubernetes/object-key.ts'
import type { KubeClient } from '../../resources/kubernetes/types.ts'
import { tokenDigestOf } from '../../wire/claim-protocol.ts'
import type { FetchOrder } from '../../wire/depot-client.ts'
import { readerToken } from '../../wire/internal-auth.ts'
import { deploymentType, type DeploymentObject } from '../model-pool/kube-shapes.ts'
import { ObjectApplier } from '../model-pool/object-applier.ts'
import { poolIndex, readerIndex, type PoolCaches } from '../model-pool/pool-caches.ts'
import { readerStateOf, type ReaderState } from './reader-state.ts'

export interface ReaderTiming {
  /** How long a fetch waits for the pod, before its adapter is told why; it is tried again later. */
  readonly patienceMs: number
  /** A pod that nobody needed for so long goes. */
  readonly idleMs: number
  readonly sweepMs: number
}

const defaultTiming: ReaderTiming = { patienceMs: 20_000, idleMs: 300_000, sweepMs: 30_000 }

export interface ClaimReadersOptions {
  readonly client: KubeClient
  readonly caches: Pick<PoolCaches, 'readerPods' | 'readerDeployments' | 'others'>
  readonly settings: WorkloadSettings
  /** The installation's. */
  readonly secret: Buffer
  readonly poolOf: (poolKey: string) => ModelPool | undefined
  readonly mayAct: () => boolean
  readonly logger: KubeLogger
  readonly timing?: Partial<ReaderTiming> | undefined
}

/** A pool whose adapters name claims that are not there must not fill its namespace with pods that wait. */
const maxReadersOfPool = 16

interface Use {
  /** Fetches that need it now. */
  count: number
  /** Monotonic. */
  lastMs: number
}

/** Pods that read claims where pools are: there while an adapter is fetched from one, and some minutes after. */
export class ClaimReaders {
  readonly #options: ClaimReadersOptions
  readonly #timing: ReaderTiming
  readonly #applier: ObjectApplier
  readonly #uses = new Map<string, Use>()
  /** Pools by what was made for them here; the cache learns of it later. */
  readonly #made = new Map<string, string>()
  readonly #making = new Map<string, Promise<string | undefined>>()
  readonly #removing = new Map<string, Promise<void>>()
  readonly #wakers = new Set<() => void>()
  readonly #closing = new AbortController()
  readonly #unwatch: (() => void)[] = []
  readonly #startMs = performance.now()
  #timer: NodeJS.Timeout | undefined

  constructor(options: ClaimReadersOptions) {
    this.#options = options
    this.#timing = { ...defaultTiming, ...options.timing }
    this.#applier = new ObjectApplier(options.client)
  }

  start(): void {
    const { readerPods, readerDeployments } = this.#options.caches
    const wake = (): void => this.#wakers.forEach((waker) => waker())
    this.#unwatch.push(readerPods.onChange(wake), readerDeployments.onChange(wake))
    this.#timer = setInterval(() => void this.#sweep(), this.#timing.sweepMs).unref()
  }

  close(): void {
    clearInterval(this.#timer)
    this.#unwatch.forEach((unwatch) => unwatch())
    this.#closing.abort()
  }

  /** A fetch by the depot, with the pod that reads the source's claim where it is one. */
  async fetch(
    order: FetchOrder,
    fetch: (order: FetchOrder) => Promise<FetchOutcome>,
    signal: AbortSignal,
  ): Promise<FetchOutcome> {
    const parsed = parseSourceUri(order.uri, '/')
    const pool = this.#options.poolOf(order.origin?.poolKey ?? '')
    if (!parsed.ok || parsed.source.scheme !== 'pvc' || pool === undefined) {
      return fetch(order)
    }
    const { claim } = parsed.source
    const use = this.#useOf(idOf(pool, claim))
    use.count += 1
    try {
      const state = await this.#ready(pool, claim, signal)
      if (state.state === 'NotReady') {
        const message = `${state.words} It is tried again.`
        return { outcome: 'Failed', problem: problem('ClaimNotMounted', message) }
      }
      const token = readerToken(this.#options.secret, keyOf(pool.metadata), claim)
      return await fetch({ ...order, reader: { url: state.url, token } })
    } finally {
      use.count -= 1
      use.lastMs = performance.now()
    }
  }

  #useOf(id: string): Use {
    const use = this.#uses.get(id) ?? { count: 0, lastMs: performance.now() }
    this.#uses.set(id, use)
    return use
  }

  async #ready(pool: ModelPool, claim: string, signal: AbortSignal): Promise<ReaderState> {
    const untilMs = performance.now() + this.#timing.patienceMs
    const refusal = await this.#make(pool, claim)
    if (refusal !== undefined) {
      return { state: 'NotReady', words: refusal }
    }
    for (;;) {
      signal.throwIfAborted()
      const state = this.#stateOf(pool, claim)
      const leftMs = untilMs - performance.now()
      if (state.state === 'Ready' || leftMs <= 0) {
        return state
      }
      await this.#change(leftMs, signal)
    }
  }

  #stateOf(pool: ModelPool, claim: string): ReaderState {
    const { readerPods, readerDeployments } = this.#options.caches
    const id = idOf(pool, claim)
    return readerStateOf({
      namespace: pool.metadata.namespace,
      claim,
      name: readerObjectName(pool.metadata.name, claim),
      deployment: readerDeployments.store.get(id),
      pods: readerPods.store.by(readerIndex, id),
    })
  }

  /** Until something changes, or for so long. */
  async #change(limitMs: number, signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        signal.removeEventListener('abort', done)
        this.#wakers.delete(done)
        resolve()
      }
      const timer = setTimeout(done, limitMs)
      signal.addEventListener('abort', done)
      this.#wakers.add(done)
    })
  }

  /** One apply for any number of adapters that wait. Words where it cannot be. */
  #make(pool: ModelPool, claim: string): Promise<string | undefined> {
    const id = idOf(pool, claim)
    const making = this.#making.get(id) ?? this.#apply(pool, claim, id)
    this.#making.set(id, making)
    return making.finally(() => this.#making.delete(id))
  }

  async #apply(pool: ModelPool, claim: string, id: string): Promise<string | undefined> {
    const { caches, settings, secret } = this.#options
    const { namespace, name } = pool.metadata
    // What goes is waited for: the one that is still to be seen is no answer.
    await this.#removing.get(id)
    const policy = `${namespace}/${readerPolicyName(name)}`
    if (caches.others.get('NetworkPolicy')?.reflector.store.get(policy) === undefined) {
      return `NetworkPolicy ${policy}, which shuts in what reads claims, is not there yet. It comes with the pool's engines, once spec.engine.image is set and spec.paused is not.`
    }
    const live = caches.readerDeployments.store.get(id)
    const known = this.#readersOf(pool)
    if (!known.has(id) && known.size >= maxReadersOfPool) {
      return `${known.size} other claims are being read for this pool, or were within minutes, which is as many as may be at once.`
    }
    this.#made.set(id, keyOf(pool.metadata))
    const tokenDigest = tokenDigestOf(readerToken(secret, keyOf(pool.metadata), claim))
    const desired = planReader({ pool, claim, settings, tokenDigest })
    try {
      await this.#applier.apply(deploymentType, desired, live, this.#closing.signal)
      return undefined
    } catch (error) {
      this.#made.delete(id)
      if (error instanceof KubeApiError) {
        return `The API server does not take Deployment ${id}, which reads the claim: ${error.message.slice(0, 300)}`
      }
      throw error
    }
  }

  #readersOf({ metadata }: ModelPool): ReadonlySet<string> {
    const poolKey = keyOf(metadata)
    const made = [...this.#made].filter(([, of]) => of === poolKey).map(([id]) => id)
    const found = this.#options.caches.readerDeployments.store
      .by(poolIndex, poolKey)
      .map(keyOfObject)
    return new Set([...made, ...found])
  }

  /** What it does not know was made by an earlier leader, and counts as used when this one began. */
  async #sweep(): Promise<void> {
    const { caches, mayAct } = this.#options
    const { store } = caches.readerDeployments
    if (!mayAct()) {
      return
    }
    for (const deployment of store.list()) {
      const id = keyOfObject(deployment)
      // Asked when its turn has come: removing others takes time, in which somebody may have begun to need it.
      if (this.#isIdle(id) && !this.#removing.has(id)) {
        const removing = this.#remove(deployment).finally(() => this.#removing.delete(id))
        this.#removing.set(id, removing)
        await removing
      }
    }
    for (const id of this.#uses.keys()) {
      if (store.get(id) === undefined && this.#isIdle(id)) {
        this.#uses.delete(id)
        this.#made.delete(id)
      }
    }
  }

  #isIdle(id: string): boolean {
    const { count, lastMs } = this.#uses.get(id) ?? { count: 0, lastMs: this.#startMs }
    return count === 0 && performance.now() - lastMs >= this.#timing.idleMs
  }

  async #remove({ metadata }: DeploymentObject): Promise<void> {
    const { client, logger } = this.#options
    const { namespace = '', name, uid } = metadata
    const claim = metadata.annotations?.[annotations.claim] ?? ''
    try {
      const options = uid === undefined ? {} : { uid }
      await client.delete(deploymentType, { namespace, name }, options, this.#closing.signal)
      this.#applier.forget(namespace, name)
      logger.info({ namespace, claim }, 'nobody reads this claim any more')
    } catch (error) {
      logger.warn({ err: error, namespace, claim }, 'what read this claim could not be removed')
    }
  }
}

/** The key of its Deployment. */
function idOf({ metadata }: ModelPool, claim: string): string {
  return `${metadata.namespace}/${readerObjectName(metadata.name, claim)}`
}

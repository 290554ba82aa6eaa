import { isDeepStrictEqual } from 'node:util'
import type { StatusByKind } from '../../api/condition.ts'
import { emptySnapshot, type Kind, type Namespace, type ResourceSnapshot } from '../../api/kinds.ts'
import { isKind } from '../../api/validate.ts'
import type { ResourceSource, ResourceUpdate } from '../resource-source.ts'
import { KindView } from './kind-view.ts'
import { silentKubeLogger, type KubeLogger } from './kube-logger.ts'
import { readResourceStatus } from './read-resource-status.ts'
import { createReflector, type ReconnectReason } from './reflector.ts'
import type { ReflectorTiming } from './reflector-timing.ts'
import { namespaceType, resourceTypes, type WireResource } from './resource-types.ts'
import { StatusWriter } from './status-writer.ts'
import type { Transport } from './transport.ts'
import type {
  KubeClient,
  KubeObject,
  Reflector,
  ResourceType,
  Store,
  StoreChange,
} from './types.ts'

export interface KubernetesSourceOptions {
  readonly transport: Transport
  /** Who may write statuses, and when (`Leadership.mayWrite`). Without it `writeStatus` does nothing: a gateway. */
  readonly writer?: { readonly client: KubeClient; readonly mayWrite: () => boolean }
  readonly logger?: KubeLogger
  readonly timing?: Partial<ReflectorTiming>
  /** Changes that come within so long make one update. */
  readonly quietMs?: number
  readonly onReconnect?: (kind: string, reason: ReconnectReason) => void
  readonly onMissed?: (kind: string, count: number) => void
}

/** An API server as the source of resources. */
export interface KubernetesSource extends ResourceSource {
  /** Our objects as they are, those that are being deleted and those that are no good included. */
  objects(kind: Kind): Store<WireResource>
  /** Called, once for a burst, when a status on an object changed. Returns the unsubscribe. */
  watchStatuses(onChange: () => void): () => void
  /** When the API server was last heard for the kind that is longest silent; monotonic milliseconds. */
  readonly heardAtMs: number
}

export function createKubernetesSource(options: KubernetesSourceOptions): KubernetesSource {
  return new ApiSource(options)
}

const kindNames = Object.keys(resourceTypes).filter(isKind)

class ApiSource implements KubernetesSource {
  readonly #logger: KubeLogger
  readonly #quietMs: number
  readonly #views: Readonly<Record<Kind, KindView>>
  readonly #reflectors: Readonly<Record<Kind, Reflector<WireResource>>>
  readonly #namespaces: Reflector<KubeObject>
  readonly #statuses: StatusWriter | undefined
  readonly #subscribers = new Set<(update: ResourceUpdate) => void>()
  readonly #statusSubscribers = new Set<() => void>()
  /** Secrets are never listed (their reader gets one by name), and `file:` URIs are absolute here. */
  #update: ResourceUpdate = { snapshot: emptySnapshot, problems: [] }
  #areNamespacesNew = true
  #isNews = false
  #areStatusesNews = false
  #timer: NodeJS.Timeout | undefined
  #isStarted = false

  constructor(options: KubernetesSourceOptions) {
    this.#logger = options.logger ?? silentKubeLogger
    this.#quietMs = options.quietMs ?? 20
    this.#views = byKind((kind) => new KindView(kind))
    this.#reflectors = byKind((kind) => this.#reflect(resourceTypes[kind], options))
    this.#namespaces = this.#reflect(namespaceType, options)
    for (const kind of kindNames) {
      this.#reflectors[kind].onChange((change) => this.#take(kind, change))
    }
    this.#namespaces.onChange(({ before, after }) => {
      const isThere = before !== undefined && after !== undefined
      if (!isThere || !isDeepStrictEqual(before.metadata.labels, after.metadata.labels)) {
        this.#areNamespacesNew = true
        this.#request()
      }
    })
    this.#statuses =
      options.writer &&
      new StatusWriter({
        ...options.writer,
        logger: this.#logger,
        objectOf: (kind, key) => this.objects(kind).get(key),
      })
  }

  get heardAtMs(): number {
    const stores = [...Object.values(this.#reflectors), this.#namespaces].map(({ store }) => store)
    return Math.min(...stores.map(({ heardAtMs }) => heardAtMs))
  }

  objects(kind: Kind): Store<WireResource> {
    return this.#reflectors[kind].store
  }

  current(): ResourceUpdate {
    return this.#update
  }

  watch(onUpdate: (update: ResourceUpdate) => void): () => void {
    this.#subscribers.add(onUpdate)
    return () => {
      this.#subscribers.delete(onUpdate)
    }
  }

  watchStatuses(onChange: () => void): () => void {
    this.#statusSubscribers.add(onChange)
    return () => {
      this.#statusSubscribers.delete(onChange)
    }
  }

  writeStatus<K extends Kind>(kind: K, key: string, status: StatusByKind[K] | undefined): void {
    this.#statuses?.write(kind, key, status)
  }

  status<K extends Kind>(kind: K, key: string): StatusByKind[K] | undefined {
    const object = this.objects(kind).get(key)
    if (object === undefined) {
      return undefined
    }
    const said = this.#statuses?.said(kind, key, object.metadata.uid ?? '')
    // Only `writeStatus` of the same kind said it.
    return said === undefined
      ? readResourceStatus(kind, object)
      : (said.status as StatusByKind[K] | undefined)
  }

  async start(signal: AbortSignal): Promise<void> {
    const reflectors = [...Object.values(this.#reflectors), this.#namespaces]
    await Promise.all(reflectors.map((reflector) => reflector.start(signal)))
    this.#isStarted = true
    this.#flush()
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer)
    this.#isStarted = false
    this.#subscribers.clear()
    this.#statusSubscribers.clear()
    await this.#statuses?.close()
    const reflectors = [...Object.values(this.#reflectors), this.#namespaces]
    await Promise.all(reflectors.map((reflector) => reflector.close()))
  }

  #reflect<T extends KubeObject>(
    type: ResourceType<T>,
    { transport, timing = {}, onReconnect, onMissed }: KubernetesSourceOptions,
  ): Reflector<T> {
    return createReflector({
      transport,
      type,
      // A key that was revoked an hour ago must not work at a gateway that has just started.
      firstList: 'Newest',
      timing,
      logger: this.#logger,
      onReconnect: (reason) => onReconnect?.(type.kind, reason),
      onMissed: (count) => onMissed?.(type.kind, count),
    })
  }

  #take(kind: Kind, change: StoreChange<WireResource>): void {
    if (change.after === undefined) {
      this.#statuses?.forget(kind, change.key)
    } else {
      this.#statuses?.heard(kind, change.key, change.after)
    }
    if (this.#views[kind].take(change)) {
      this.#request()
    }
    if (!isDeepStrictEqual(change.before?.status, change.after?.status)) {
      this.#areStatusesNews = true
      this.#arm()
    }
  }

  #request(): void {
    this.#isNews = true
    this.#arm()
  }

  /** One update for what comes in a burst, and none waits longer than that. */
  #arm(): void {
    if (this.#isStarted) {
      this.#timer ??= setTimeout(() => this.#flush(), this.#quietMs)
    }
  }

  #flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const [isNews, areStatusesNews] = [this.#isNews, this.#areStatusesNews]
    this.#isNews = false
    this.#areStatusesNews = false
    if (isNews) {
      this.#update = this.#gather()
      for (const subscriber of this.#subscribers) {
        this.#call(() => subscriber(this.#update))
      }
    }
    if (areStatusesNews) {
      for (const subscriber of this.#statusSubscribers) {
        this.#call(subscriber)
      }
    }
  }

  #call(subscriber: () => void): void {
    try {
      subscriber()
    } catch (error) {
      this.#logger.warn({ err: error }, 'a consumer of resources failed on an update')
    }
  }

  #gather(): ResourceUpdate {
    const { ModelPool, LoraAdapter, ModelTenant, TenantKey } = this.#views
    const { snapshot } = this.#update
    return {
      snapshot: {
        // Each view holds the kind it is named after.
        pools: ModelPool.resources as ResourceSnapshot['pools'],
        adapters: LoraAdapter.resources as ResourceSnapshot['adapters'],
        tenants: ModelTenant.resources as ResourceSnapshot['tenants'],
        keys: TenantKey.resources as ResourceSnapshot['keys'],
        namespaces: this.#areNamespacesNew ? this.#namespaceMap() : snapshot.namespaces,
        secrets: snapshot.secrets,
        baseFolders: snapshot.baseFolders,
      },
      problems: Object.values(this.#views).flatMap(({ problems }) => problems),
    }
  }

  #namespaceMap(): ReadonlyMap<string, Namespace> {
    this.#areNamespacesNew = false
    return new Map(
      this.#namespaces.store
        .list()
        .map(({ metadata: { name, labels = {} } }) => [name, { name, labels }]),
    )
  }
}

function byKind<V>(make: (kind: Kind) => V): Readonly<Record<Kind, V>> {
  return {
    ModelPool: make('ModelPool'),
    LoraAdapter: make('LoraAdapter'),
    ModelTenant: make('ModelTenant'),
    TenantKey: make('TenantKey'),
  }
}

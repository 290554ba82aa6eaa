import { Backoff } from './backoff.ts'
import { isKubeError, KubeApiError } from './kube-api-error.ts'
import { silentKubeLogger, type KubeLogger } from './kube-logger.ts'
import { listObjects } from './list-objects.ts'
import { ObjectStore, type Indexers } from './object-store.ts'
import { pause } from './pause.ts'
import { defaultReflectorTiming, type ReflectorTiming } from './reflector-timing.ts'
import { isOlder } from './resource-version.ts'
import type { Transport } from './transport.ts'
import type {
  KubeObject,
  ListOptions,
  ListResult,
  Reflector,
  ResourceType,
  Store,
  StoreChange,
} from './types.ts'
import { watchObjects } from './watch-stream.ts'

/** Why a reflector listed or watched again; a metric label. */
export type ReconnectReason = 'Ended' | 'Gone' | 'Refused' | 'Broken' | 'Silent'

export interface ReflectorOptions<T extends KubeObject> extends ListOptions {
  readonly transport: Transport
  readonly type: ResourceType<T>
  readonly indexers?: Indexers<T>
  /** Drops what nobody reads, before it is kept. */
  readonly trim?: (object: T) => T
  /**
   * Where the first list comes from. `Cached` (default) is cheap for the server, and as old as its cache, which may be
   * long behind when it is cut off from its store. `Newest` is for what must not be taken up from the past.
   */
  readonly firstList?: 'Cached' | 'Newest'
  readonly timing?: Partial<ReflectorTiming>
  readonly logger?: KubeLogger
  /** Monotonic milliseconds. */
  readonly now?: () => number
  readonly random?: () => number
  readonly onReconnect?: (reason: ReconnectReason) => void
  /** The audit found so many objects that the watch should have told of. They are taken over; it must stay 0. */
  readonly onMissed?: (count: number) => void
}

export function createReflector<T extends KubeObject>(options: ReflectorOptions<T>): Reflector<T> {
  return new ApiReflector(options)
}

/** Lists in a row that are older than what is known, until they are believed: a cluster restored from a backup. */
const olderListsUntilBelieved = 3
/** A watch that ends sooner is not worth asking for again at once. */
const shortWatchMs = 1_000

class ApiReflector<T extends KubeObject> implements Reflector<T> {
  readonly #options: ReflectorOptions<T>
  readonly #timing: ReflectorTiming
  readonly #logger: KubeLogger
  readonly #now: () => number
  readonly #random: () => number
  readonly #store: ObjectStore<T>
  readonly #backoff: Backoff
  readonly #handlers = new Set<(change: StoreChange<T>) => void>()
  readonly #end = new AbortController()
  #running: Promise<unknown> = Promise.resolve()
  /** The newest state that is known whole. */
  #version: string | undefined
  #mustList = true
  /** The next list asks for the newest state, whatever that costs the server. */
  #wantsNewest: boolean
  #olderLists = 0
  /** The last failure was no answer at all. */
  #isAway = false

  constructor(options: ReflectorOptions<T>) {
    this.#options = options
    this.#timing = { ...defaultReflectorTiming, ...options.timing }
    this.#logger = options.logger ?? silentKubeLogger
    this.#now = options.now ?? (() => performance.now())
    this.#random = options.random ?? Math.random
    this.#wantsNewest = options.firstList === 'Newest'
    this.#store = new ObjectStore({
      now: this.#now,
      trim: options.trim,
      ...(options.indexers === undefined ? {} : { indexers: options.indexers }),
    })
    const [baseMs, maxMs] = this.#timing.backoffMs
    this.#backoff = new Backoff({ baseMs, maxMs, random: this.#random })
  }

  get store(): Store<T> {
    return this.#store
  }

  onChange(handler: (change: StoreChange<T>) => void): () => void {
    this.#handlers.add(handler)
    return () => {
      this.#handlers.delete(handler)
    }
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const ends = AbortSignal.any([signal, this.#end.signal])
    const synced = Promise.withResolvers<void>()
    ends.addEventListener('abort', () => synced.reject(ends.reason as Error), { once: true })
    this.#running = Promise.all([this.#follow(ends, synced.resolve), this.#audit(ends)])
    await synced.promise
  }

  async close(): Promise<void> {
    this.#end.abort()
    await this.#running
    this.#handlers.clear()
  }

  async #follow(signal: AbortSignal, onSynced: () => void): Promise<void> {
    while (!signal.aborted) {
      const sinceMs = this.#now()
      try {
        if (this.#mustList) {
          await this.#list(signal)
          onSynced()
        }
        await this.#watch(signal)
        this.#options.onReconnect?.('Ended')
        if (this.#now() - sinceMs < shortWatchMs) {
          await pause(this.#backoff.nextMs(), signal)
        } else {
          this.#backoff.reset()
        }
      } catch (error) {
        if (!signal.aborted) {
          await this.#recover(error, this.#now() - sinceMs, signal)
        }
      }
    }
  }

  async #recover(error: unknown, heldMs: number, signal: AbortSignal): Promise<void> {
    const isAnswer = error instanceof KubeApiError && error.status !== 0
    // A server that was away and is back knows no old version: who waited for it does not wait as long once more.
    if (heldMs >= this.#timing.healthyAfterMs || (isAnswer && this.#isAway)) {
      this.#backoff.reset()
    }
    this.#isAway = !isAnswer
    const isGone = isKubeError(error, 'Gone')
    // A server that is behind us answers Timeout; one that does not know our version, Gone or BadRequest.
    this.#wantsNewest ||=
      isGone || (this.#mustList && isKubeError(error, 'Timeout', 'BadRequest', 'Conflict'))
    this.#mustList ||= isGone || isKubeError(error, 'BadRequest', 'NotFound')
    const askedMs = error instanceof KubeApiError ? (error.retryAfterMs ?? 0) : 0
    const waitMs = Math.max(askedMs, this.#backoff.nextMs())
    this.#options.onReconnect?.(reasonOf(error))
    this.#logger.warn(
      { err: error, kind: this.#options.type.kind, attempt: this.#backoff.attempts, waitMs },
      'list or watch failed, trying again',
    )
    await pause(waitMs, signal)
  }

  async #list(signal: AbortSignal): Promise<void> {
    const isNewest = this.#wantsNewest
    const list = await this.#fetch(isNewest ? undefined : (this.#version ?? '0'), signal)
    const isOld = isOlder(list.resourceVersion, this.#version)
    this.#olderLists = isOld && isNewest ? this.#olderLists + 1 : 0
    const isBelieved = this.#olderLists >= olderListsUntilBelieved
    if (isOld && !isBelieved) {
      throw new KubeApiError({
        reason: 'Conflict',
        status: 0,
        message: `list ${this.#options.type.plural}: older (${list.resourceVersion}) than what is known (${this.#version ?? ''})`,
      })
    }
    this.#olderLists = 0
    this.#heard()
    this.#emit(this.#store.replace(list, isOld))
    this.#version = list.resourceVersion
    this.#mustList = false
    this.#wantsNewest = false
  }

  #fetch(resourceVersion: string | undefined, signal: AbortSignal): Promise<ListResult<T>> {
    const { transport, type } = this.#options
    const limits = { timeoutMs: this.#timing.listTimeoutMs, retries: 0, signal }
    return listObjects(transport, type, { ...selectionOf(this.#options), resourceVersion }, limits)
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { transport, type } = this.#options
    const events = watchObjects(
      transport,
      type,
      {
        ...selectionOf(this.#options),
        resourceVersion: this.#version ?? '',
        timeoutSeconds: Math.max(1, Math.round(this.#between(this.#timing.watchMs) / 1000)),
        inactivityMs: this.#timing.inactivityMs,
        onBytes: () => this.#heard(),
      },
      signal,
    )
    for await (const event of events) {
      if (event.type === 'Bookmark') {
        this.#advance(event.resourceVersion)
        continue
      }
      const { object } = event
      const change = event.type === 'Put' ? this.#store.put(object) : this.#store.remove(object)
      this.#advance(object.metadata.resourceVersion)
      this.#emit(change === undefined ? [] : [change])
    }
  }

  #advance(version: string | undefined): void {
    // An event that came twice or late must not make us ask for the past again.
    if (version !== undefined && version !== '' && !isOlder(version, this.#version)) {
      this.#version = version
    }
  }

  async #audit(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await pause(this.#between(this.#timing.auditMs), signal)
      if (signal.aborted || this.#mustList) {
        continue
      }
      try {
        const list = await this.#fetch(undefined, signal)
        await pause(this.#timing.auditGraceMs, signal)
        this.#heal(list)
      } catch (error) {
        if (!signal.aborted) {
          this.#logger.warn({ err: error, kind: this.#options.type.kind }, 'audit list failed')
        }
      }
    }
  }

  #heal(list: ListResult<T>): void {
    const { changed, gone } = this.#store.compare(list)
    const count = changed.length + gone.length
    if (count === 0) {
      return
    }
    const { kind } = this.#options.type
    this.#logger.warn(
      { kind, changed: changed.length, gone: gone.length },
      'the watch missed objects',
    )
    this.#options.onMissed?.(count)
    const changes = [
      ...changed.map((object) => this.#store.put(object)),
      ...gone.map((object) => this.#store.remove(object, list.resourceVersion)),
    ]
    this.#emit(changes.filter((change) => change !== undefined))
  }

  #heard(): void {
    this.#store.heardAtMs = this.#now()
  }

  #between([min, max]: readonly [number, number]): number {
    return min + this.#random() * (max - min)
  }

  #emit(changes: readonly StoreChange<T>[]): void {
    for (const change of changes) {
      for (const handler of this.#handlers) {
        try {
          handler(change)
        } catch (error) {
          const { kind } = this.#options.type
          this.#logger.warn({ err: error, kind, key: change.key }, 'a handler of changes failed')
        }
      }
    }
  }
}

function selectionOf({ namespace, labelSelector, fieldSelector }: ListOptions): ListOptions {
  return {
    ...(namespace === undefined ? {} : { namespace }),
    ...(labelSelector === undefined ? {} : { labelSelector }),
    ...(fieldSelector === undefined ? {} : { fieldSelector }),
  }
}

function reasonOf(error: unknown): ReconnectReason {
  if (!(error instanceof KubeApiError)) {
    return 'Broken'
  }
  if (error.reason === 'Gone') {
    return 'Gone'
  }
  if (error.status !== 0) {
    return 'Refused'
  }
  return error.reason === 'Silent' ? 'Silent' : 'Broken'
}

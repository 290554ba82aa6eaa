import { collectionPath, objectPath, type ApiRequest, type KubeVerb } from './api-request.ts'
import { isKubeError, KubeApiError } from './kube-api-error.ts'
import { listObjects } from './list-objects.ts'
import { apiVersionOf } from './object-key.ts'
import type { SendLimits, Transport } from './transport.ts'
import type {
  ApplyOptions,
  DeleteOptions,
  KubeClient,
  KubeObject,
  ListOptions,
  ListResult,
  ObjectKey,
  ResourceType,
} from './types.ts'

/** A write that is about to be sent, or was. */
export interface KubeWrite {
  /** Counts up from 1 over the life of the client: the crash points of a sweep. */
  readonly number: number
  readonly verb: KubeVerb
  readonly type: ResourceType
  readonly key: ObjectKey
  readonly subresource?: string
}

export interface KubeClientOptions {
  readonly transport: Transport
  /** Fencing (`Leadership.mayWrite`): asked before each try, and again when it would go onto the socket. */
  readonly mayWrite?: () => boolean
  /** Called once for each write, whatever its tries. One that throws keeps the write from being sent. */
  readonly beforeWrite?: (write: KubeWrite) => void | Promise<void>
  /** Called when the server has answered a write with success. */
  readonly afterWrite?: (write: KubeWrite) => void | Promise<void>
  readonly readTimeoutMs?: number
  /** The server is told too, and gives up itself, so that no write is accepted long after its guard was asked. */
  readonly writeTimeoutMs?: number
  /** Tries after the first, where a second one does no harm. */
  readonly retries?: number
}

/** With the leader's renew deadline it stays below the Lease's time: see `leader-timing.ts`. */
export const defaultWriteTimeoutMs = 4_000
const defaultReadTimeoutMs = 30_000
const defaultRetries = 4

/** The verbs of an API server on raw JSON. `close` leaves the transport, which others may use. */
export function createKubeClient(options: KubeClientOptions): KubeClient {
  return new RawKubeClient(options)
}

class RawKubeClient implements KubeClient {
  readonly #options: KubeClientOptions
  #writes = 0
  #isClosed = false

  constructor(options: KubeClientOptions) {
    this.#options = options
  }

  async get<T extends KubeObject>(
    type: ResourceType<T>,
    key: ObjectKey,
    signal?: AbortSignal,
  ): Promise<T | undefined> {
    const path = objectPath(type, key)
    const request = {
      verb: 'get',
      kind: type.kind,
      method: 'GET',
      path,
      isIdempotent: true,
    } as const
    try {
      // The path says what it holds.
      return (await this.#options.transport.send(request, this.#readLimits(signal))) as T
    } catch (error) {
      if (isKubeError(error, 'NotFound')) {
        return undefined
      }
      throw error
    }
  }

  list<T extends KubeObject>(
    type: ResourceType<T>,
    options: ListOptions = {},
    signal?: AbortSignal,
  ): Promise<ListResult<T>> {
    return listObjects(this.#options.transport, type, options, this.#readLimits(signal))
  }

  create<T extends KubeObject>(type: ResourceType<T>, object: T, signal?: AbortSignal): Promise<T> {
    const path = collectionPath(type, object.metadata.namespace)
    return this.#write(
      { type, key: object.metadata, verb: 'create' },
      { method: 'POST', path, body: withType(type, object), isIdempotent: false },
      signal,
    )
  }

  apply<T extends KubeObject>(
    type: ResourceType<T>,
    object: KubeObject,
    { fieldManager, force = false, subresource }: ApplyOptions,
    signal?: AbortSignal,
  ): Promise<T> {
    const target = { type, key: object.metadata, verb: 'apply', ...partOf(subresource) } as const
    return this.#write(
      target,
      {
        method: 'PATCH',
        path: objectPath(type, object.metadata, subresource),
        query: { fieldManager, ...(force ? { force: 'true' } : {}) },
        // JSON is YAML.
        contentType: 'application/apply-patch+yaml',
        body: withType(type, object),
        isIdempotent: true,
      },
      signal,
    )
  }

  mergePatch<T extends KubeObject>(
    type: ResourceType<T>,
    key: ObjectKey,
    patch: object,
    options: { readonly subresource?: 'status' | 'scale'; readonly fieldManager?: string } = {},
    signal?: AbortSignal,
  ): Promise<T> {
    const { subresource, fieldManager } = options
    return this.#write(
      { type, key, verb: 'patch', ...partOf(subresource) },
      {
        method: 'PATCH',
        path: objectPath(type, key, subresource),
        ...(fieldManager === undefined ? {} : { query: { fieldManager } }),
        contentType: 'application/merge-patch+json',
        body: patch,
        isIdempotent: true,
      },
      signal,
    )
  }

  async delete(
    type: ResourceType,
    key: ObjectKey,
    { uid, resourceVersion, propagationPolicy = 'Background' }: DeleteOptions = {},
    signal?: AbortSignal,
  ): Promise<boolean> {
    const preconditions = {
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    }
    try {
      await this.#write(
        { type, key, verb: 'delete' },
        {
          method: 'DELETE',
          path: objectPath(type, key),
          body: { apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy, preconditions },
          // Without a uid, a second try could hit the next object of that name.
          isIdempotent: uid !== undefined,
        },
        signal,
      )
      return true
    } catch (error) {
      if (isKubeError(error, 'NotFound')) {
        return false
      }
      throw error
    }
  }

  close(): Promise<void> {
    this.#isClosed = true
    return Promise.resolve()
  }

  async #write<T>(
    target: Omit<KubeWrite, 'number'>,
    request: Omit<ApiRequest, 'verb' | 'kind' | 'guard'>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    const {
      beforeWrite,
      afterWrite,
      transport,
      writeTimeoutMs = defaultWriteTimeoutMs,
    } = this.#options
    const guard = (): void => this.#checkMayWrite(target)
    guard()
    this.#writes += 1
    const write: KubeWrite = { ...target, number: this.#writes }
    await beforeWrite?.(write)
    const query = {
      ...request.query,
      timeout: `${Math.max(1, Math.floor(writeTimeoutMs / 1000))}s`,
    }
    const answer = await transport.send(
      { ...request, query, verb: target.verb, kind: target.type.kind, guard },
      { timeoutMs: writeTimeoutMs, retries: this.#options.retries ?? defaultRetries, signal },
    )
    await afterWrite?.(write)
    // The path says what comes back.
    return answer as T
  }

  #checkMayWrite({ verb, type, key }: Omit<KubeWrite, 'number'>): void {
    if (this.#isClosed || this.#options.mayWrite?.() === false) {
      throw new KubeApiError({
        reason: 'NotLeader',
        status: 0,
        message: `${verb} ${type.kind} ${key.name}: not sent, this process may not write (any more)`,
      })
    }
  }

  #readLimits(signal: AbortSignal | undefined): SendLimits {
    return {
      timeoutMs: this.#options.readTimeoutMs ?? defaultReadTimeoutMs,
      retries: this.#options.retries ?? defaultRetries,
      signal,
    }
  }
}

function withType(type: ResourceType, object: KubeObject): KubeObject {
  return { ...object, apiVersion: apiVersionOf(type), kind: type.kind }
}

function partOf(subresource: string | undefined): { readonly subresource?: string } {
  return subresource === undefined ? {} : { subresource }
}

import { isDeepStrictEqual } from 'node:util'
import type { Condition, StatusByKind } from '../../api/condition.ts'
import type { Kind } from '../../api/kinds.ts'
import { isMap } from '../../api/validate.ts'
import { isKubeError } from './kube-api-error.ts'
import type { KubeLogger } from './kube-logger.ts'
import { splitKey } from './object-key.ts'
import { pause } from './pause.ts'
import { done, type ReconcileOutcome } from './reconcile-outcome.ts'
import { readResourceStatus } from './read-resource-status.ts'
import { Reconciler } from './reconciler.ts'
import { resourceTypes, type WireResource } from './resource-types.ts'
import { isOlder } from './resource-version.ts'
import { TokenBucket } from './token-bucket.ts'
import type { KubeClient } from './types.ts'
import { WorkQueue } from './work-queue.ts'

type AnyStatus = StatusByKind[Kind]

export interface StatusWriterOptions {
  readonly client: KubeClient
  /** Without it nothing is sent, and what waits is dropped: the next leader works everything out itself. */
  readonly mayWrite: () => boolean
  /** The object as last heard; undefined where it is gone. */
  readonly objectOf: (kind: Kind, key: string) => WireResource | undefined
  readonly logger: KubeLogger
  readonly perSecond?: number
  readonly workers?: number
}

/** One object's status as this process wants it, and what became of it. */
interface Entry {
  readonly kind: Kind
  readonly key: string
  readonly uid: string
  readonly status: AnyStatus | undefined
  /** What was sent last, and what the server made of it. */
  readonly sent?: Sent
  /** The object as it was when this status was compared with it. */
  readonly seenOn?: WireResource
}

interface Sent {
  readonly status: AnyStatus | undefined
  readonly stored: unknown
  readonly version: string | undefined
}

/** Owns the fields of our statuses. */
export const statusFieldManager = 'loraplex-controller'
const flushMs = 5_000

/** Sends statuses by server-side apply: the newest of each object, none twice, a bounded number a second. */
export class StatusWriter {
  readonly #options: StatusWriterOptions
  readonly #bucket: TokenBucket
  readonly #queue = new WorkQueue({ baseBackoffMs: 100, maxBackoffMs: 10_000 })
  readonly #sender: Reconciler
  readonly #entries = new Map<string, Entry>()

  constructor(options: StatusWriterOptions) {
    this.#options = options
    const { perSecond = 200, workers = 8, logger } = options
    this.#bucket = new TokenBucket({ perSecond, burst: 2 * perSecond })
    this.#sender = new Reconciler({
      name: 'status',
      queue: this.#queue,
      workers,
      logger,
      reconcile: (name, signal) => this.#send(name, signal),
    })
    this.#sender.start()
  }

  /** What this process said last; absent where that is nothing, or no longer its business. */
  said(
    kind: Kind,
    key: string,
    uid: string,
  ): { readonly status: AnyStatus | undefined } | undefined {
    const entry = this.#entries.get(`${kind}/${key}`)
    return entry?.uid === uid && this.#options.mayWrite() ? entry : undefined
  }

  write(kind: Kind, key: string, status: AnyStatus | undefined): void {
    const name = `${kind}/${key}`
    const object = this.#options.objectOf(kind, key)
    const uid = object?.metadata.uid
    if (object === undefined || uid === undefined || !this.#options.mayWrite()) {
      // A status that arrives after its object went has nobody to tell.
      this.#entries.delete(name)
      return
    }
    const before = this.#entries.get(name)
    const isKnown =
      before === undefined
        ? status !== undefined && status === readResourceStatus(kind, object)
        : before.status === status && before.seenOn === object
    if (isKnown) {
      return
    }
    const sent = before?.uid === uid ? before.sent : undefined
    const kept = sent === undefined ? {} : { sent }
    this.#entries.set(name, { kind, key, uid, status, seenOn: object, ...kept })
    if (this.#isThere(name)) {
      this.#settle(name, object)
    } else {
      this.#queue.add(name)
    }
  }

  /** Another state of the object: what it says already need not be held here too. */
  heard(kind: Kind, key: string, object: WireResource): void {
    const name = `${kind}/${key}`
    if (this.#entries.get(name)?.sent !== undefined && this.#isThere(name)) {
      this.#settle(name, object)
    }
  }

  /** The object is gone. */
  forget(kind: Kind, key: string): void {
    this.#entries.delete(`${kind}/${key}`)
  }

  /** Sends what waits, as far as that goes in five seconds. */
  async close(): Promise<void> {
    const untilMs = performance.now() + flushMs
    while (this.#isBusy() && this.#options.mayWrite() && performance.now() < untilMs) {
      await pause(10)
    }
    this.#queue.close()
    await this.#sender.close()
  }

  #isBusy(): boolean {
    const { depth, delayed, running } = this.#queue.metrics
    return depth + delayed + running > 0
  }

  async #send(name: string, signal: AbortSignal): Promise<ReconcileOutcome> {
    if (!this.#options.mayWrite()) {
      this.#entries.clear()
      return done
    }
    if (this.#isThere(name)) {
      return done
    }
    await pause(this.#bucket.take(), signal)
    // The newest: while this one waited for its turn, another may have come.
    const entry = this.#entries.get(name)
    if (entry === undefined || signal.aborted) {
      return done
    }
    try {
      const stored = await this.#apply(entry, signal)
      this.#remember(name, entry, stored)
      return done
    } catch (error) {
      return this.#isOver(error) ? done : { outcome: 'Failed', error }
    }
  }

  #apply({ kind, key, uid, status }: Entry, signal: AbortSignal): Promise<WireResource> {
    const object = { metadata: { ...splitKey(key), uid }, status: status ?? {} }
    // The fields of our statuses are nobody else's.
    const options = {
      fieldManager: statusFieldManager,
      force: true,
      subresource: 'status',
    } as const
    return this.#options.client.apply(resourceTypes[kind], object, options, signal)
  }

  #remember(name: string, { uid, status }: Entry, stored: WireResource): void {
    const now = this.#entries.get(name)
    if (now?.uid === uid) {
      const version = stored.metadata.resourceVersion
      this.#entries.set(name, { ...now, sent: { status, stored: stored.status, version } })
    }
  }

  /** Memory for ten thousand: what is read from the object as it was meant is not held a second time. */
  #settle(name: string, object: WireResource): void {
    const entry = this.#entries.get(name)
    const { sent, status } = entry ?? {}
    if (entry === undefined || isOlder(object.metadata.resourceVersion, sent?.version)) {
      return
    }
    if (status !== undefined && isDeepStrictEqual(readResourceStatus(entry.kind, object), status)) {
      this.#entries.delete(name)
      return
    }
    const stored = sent === undefined ? {} : { sent: { ...sent, stored: object.status } }
    this.#entries.set(name, { ...entry, ...stored, seenOn: object })
  }

  /** Gone, another object of that name by now (its uid conflicts), or no longer ours to write. */
  #isOver(error: unknown): boolean {
    return isKubeError(error, 'NotFound', 'Conflict', 'NotLeader')
  }

  /** Whether the object says so already, as far as is known. */
  #isThere(name: string): boolean {
    const entry = this.#entries.get(name)
    const object = entry && this.#options.objectOf(entry.kind, entry.key)
    if (entry === undefined || object?.metadata.uid !== entry.uid) {
      return true
    }
    const { status, sent } = entry
    if (sent === undefined || !isDeepStrictEqual(sent.status, status)) {
      return sent === undefined && isSameStatus(object.status, status)
    }
    // Somebody may have written over it since; what is heard may also be from before.
    return (
      isOlder(object.metadata.resourceVersion, sent.version) ||
      isDeepStrictEqual(object.status, sent.stored)
    )
  }
}

function isSameStatus(onObject: unknown, wanted: AnyStatus | undefined): boolean {
  if (wanted === undefined) {
    return !isMap(onObject) || !Array.isArray(onObject['conditions'])
  }
  // Mostly they are equal as they are: a pass over 10,000 adapters asks for each.
  return (
    isDeepStrictEqual(onObject, wanted) ||
    (isMap(onObject) &&
      sumOf(onObject) === sumOf(wanted) &&
      isDeepStrictEqual(inOrder(onObject), inOrder(wanted)))
  )
}

/** Of equal statuses the same, whatever the order of their conditions; most that differ differ here. */
function sumOf(status: { readonly conditions?: unknown }): string {
  const { conditions } = status
  return Array.isArray(conditions)
    ? conditions
        .map(
          ({ type, reason, lastTransitionTime }: Condition) =>
            `${type}${reason}${lastTransitionTime}`,
        )
        .sort()
        .join()
    : ''
}

/** The server may keep conditions in an order of its own. */
function inOrder(status: object): unknown {
  // As it is on the wire: without fields that are undefined.
  const copy = JSON.parse(JSON.stringify(status)) as { conditions?: Condition[] }
  copy.conditions?.sort((a, b) => (a.type < b.type ? -1 : 1))
  return copy
}

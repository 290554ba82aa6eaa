import { createHash, randomUUID } from 'node:crypto'
import { isKubeError } from './kube-api-error.ts'
import {
  eventType,
  type EventNews,
  type EventObject,
  type ObjectReference,
} from './event-record.ts'
import { silentKubeLogger, type KubeLogger } from './kube-logger.ts'
import { microTime } from './micro-time.ts'
import { Reconciler } from './reconciler.ts'
import { done, type ReconcileOutcome } from './reconcile-outcome.ts'
import { TokenBucket } from './token-bucket.ts'
import type { KubeClient } from './types.ts'
import { WorkQueue } from './work-queue.ts'

export interface EventRecorderOptions {
  readonly client: KubeClient
  /** `loraplex.dev/controller`. */
  readonly controller: string
  /** The pod. */
  readonly instance: string
  readonly logger?: KubeLogger
  /** Monotonic milliseconds. */
  readonly now?: () => number
  readonly wallClock?: () => Date
  /** How soon a series tells the server how long it has become. */
  readonly seriesEveryMs?: number
}

/** The same thing again and again, told as one event with a count. */
interface Series {
  readonly event: EventObject
  readonly atMs: number
  count: number
  /** What the server knows; 0: not even of the event. */
  sentCount: number
  lastAt: Date
}

/** As client-go's: after so long, the same news is another event. */
const seriesMs = 6 * 60_000
const maxSeries = 4096
const maxWaiting = 500
/** One object that is in trouble must not fill etcd: client-go's spam filter. */
const perObject = { burst: 25, perSecond: 1 / 300 } as const
const maxNoteBytes = 1024

/** Tells people what happened. Fire and forget: nothing waits for it, and nothing fails with it. */
export class EventRecorder {
  readonly #options: EventRecorderOptions
  readonly #now: () => number
  readonly #queue: WorkQueue
  readonly #sender: Reconciler
  readonly #series = new Map<string, Series>()
  readonly #buckets = new Map<string, TokenBucket>()

  constructor(options: EventRecorderOptions) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
    this.#queue = new WorkQueue({ baseBackoffMs: 1_000, maxBackoffMs: 60_000 })
    this.#sender = new Reconciler({
      name: 'events',
      queue: this.#queue,
      logger: options.logger ?? silentKubeLogger,
      reconcile: (id, signal) => this.#send(id, signal),
    })
    this.#sender.start()
  }

  record(news: EventNews): void {
    const { regarding, type, reason, action, note } = news
    const id = idOf([nameOf(regarding), type, reason, action, note])
    const lastAt = this.#options.wallClock?.() ?? new Date()
    const known = this.#series.get(id)
    if (known !== undefined && this.#now() - known.atMs < seriesMs) {
      known.count += 1
      known.lastAt = lastAt
      this.#queue.addAfter(id, this.#options.seriesEveryMs ?? 30_000, 'Low')
      return
    }
    if (this.#queue.metrics.depth >= maxWaiting || !this.#mayTellOf(news)) {
      return
    }
    this.#series.delete(id)
    this.#series.set(id, {
      event: this.#eventOf(news, lastAt),
      atMs: this.#now(),
      count: 1,
      sentCount: 0,
      lastAt,
    })
    this.#dropOld()
    this.#queue.add(id)
  }

  /** Drops what was not sent. */
  async close(): Promise<void> {
    this.#queue.close()
    await this.#sender.close()
  }

  #mayTellOf({ regarding }: EventNews): boolean {
    const name = nameOf(regarding)
    const bucket = this.#buckets.get(name) ?? new TokenBucket({ ...perObject, now: this.#now })
    this.#buckets.delete(name)
    this.#buckets.set(name, bucket)
    return bucket.tryTake()
  }

  #eventOf(news: EventNews, at: Date): EventObject {
    const { regarding, type, reason, action, note } = news
    const { controller, instance } = this.#options
    // Events about what has no namespace lie in `default`, by the server's own rule.
    const namespace = (regarding.namespace ?? '') === '' ? 'default' : regarding.namespace
    return {
      metadata: {
        name: `${regarding.name}.${randomUUID().slice(0, 13)}`,
        ...(namespace === undefined ? {} : { namespace }),
      },
      eventTime: microTime(at),
      reportingController: controller,
      reportingInstance: instance,
      action,
      reason,
      regarding,
      note: cut(note),
      type,
    }
  }

  async #send(id: string, signal: AbortSignal): Promise<ReconcileOutcome> {
    const series = this.#series.get(id)
    if (series === undefined || series.sentCount === series.count) {
      return done
    }
    const { count } = series
    try {
      await (series.sentCount === 0 ? this.#create(series, signal) : this.#count(series, signal))
      series.sentCount = count
    } catch (error) {
      if (isKubeError(error, 'NotFound', 'Forbidden', 'Invalid', 'BadRequest', 'NotLeader')) {
        // The namespace is on its way out, the event ran out, or we may not: nobody is helped by trying on.
        this.#series.delete(id)
        return done
      }
      return { outcome: 'Failed', error }
    }
    return done
  }

  async #create({ event }: Series, signal: AbortSignal): Promise<void> {
    try {
      await this.#options.client.create(eventType, event, signal)
    } catch (error) {
      // A try before this one got through.
      if (!isKubeError(error, 'AlreadyExists')) {
        throw error
      }
    }
  }

  async #count({ event, count, lastAt }: Series, signal: AbortSignal): Promise<void> {
    const series = { count, lastObservedTime: microTime(lastAt) }
    await this.#options.client.mergePatch(eventType, event.metadata, { series }, {}, signal)
  }

  #dropOld(): void {
    for (const [id, { atMs }] of this.#series) {
      if (this.#series.size <= maxSeries && this.#now() - atMs < seriesMs) {
        break
      }
      this.#series.delete(id)
    }
    for (const [name] of this.#buckets) {
      if (this.#buckets.size <= maxSeries) {
        break
      }
      this.#buckets.delete(name)
    }
  }
}

function nameOf({ kind, namespace = '', name, uid = '' }: ObjectReference): string {
  return `${kind}/${namespace}/${name}/${uid}`
}

function idOf(parts: readonly string[]): string {
  return createHash('sha256').update(parts.join('\0')).digest('base64url')
}

function cut(note: string): string {
  const bytes = Buffer.from(note)
  return bytes.length <= maxNoteBytes
    ? note
    : `${new TextDecoder().decode(bytes.subarray(0, maxNoteBytes - 4), { stream: true })}…`
}

import { hasJustBegun } from '../../core/route-cost.ts'
import { SeenPace } from '../../core/seen-pace.ts'
import { VllmModel } from '../model.ts'
import type { ModelAdapter, ModelListener, ModelOptions, Sequence } from '../model-types.ts'
import type { LabRequest } from './lab-request.ts'

/** An engine's own metrics, as somebody read them. */
export interface Scrape {
  readonly waiting: number
  readonly running: number
  /** 0–1. */
  readonly kvUsage: number
  readonly activeAdapters: ReadonlySet<number>
  readonly waitingAdapters: ReadonlySet<number>
}

/** llm-d-router's default, `--refresh-metrics-interval`. */
const scrapeEveryMs = 50

/** What the lab is told of one replica. */
export interface LabReplicaListener {
  firstToken(request: LabRequest, nowMs: number): void
  readonly token?: ((request: LabRequest, nowMs: number) => void) | undefined
  ended(request: LabRequest, nowMs: number): void
  loaded(replica: LabReplica, adapter: ModelAdapter, nowMs: number): void
}

/** One engine of the lab, with what a gateway in front knows of it: exact counts of its own, nothing scraped. */
export class LabReplica {
  readonly index: number
  readonly name: string
  readonly slots: number
  /** Adapters that its host memory takes. */
  readonly hostCapacity: number
  readonly model: VllmModel<LabRequest>
  /** Virtual time from which it takes requests. */
  readonly readyMs: number
  isLeaving = false
  /** Adapters that a plan keeps here, by id. */
  wanted: ReadonlySet<number> = new Set()
  inFlight = 0
  /** Prompt tokens of requests that have no first token yet. */
  queuedPromptTokens = 0
  /** Tokens that requests in flight are expected to write still. */
  expectedTokens = 0
  /** Requests in flight of which hardly anything is written. */
  beginnings = 0
  /** Reads of weights from disk, ordered or inside a step. */
  diskReads = 0
  readonly pace = new SeenPace()
  #steppedMs = 0
  readonly #inFlightByAdapter = new Map<number, number>()
  /** Routable there: loaded because somebody ordered it. The one that was of no use for longest comes first. */
  readonly #resident = new Set<number>()
  readonly #loading = new Set<number>()
  readonly #listener: LabReplicaListener
  #scraped: Scrape | undefined
  #scrapedMs = -Infinity

  constructor(index: number, options: ModelOptions, readyMs: number, listener: LabReplicaListener) {
    this.index = index
    this.name = `replica-${index}`
    this.hostCapacity = options.maxCpuLoras
    this.slots = options.maxLoras
    this.readyMs = readyMs
    this.#listener = listener
    this.model = new VllmModel(options, this.#modelListener())
  }

  /** Distinct adapters with requests in flight. */
  get slotsUsed(): number {
    return this.#inFlightByAdapter.size
  }

  inFlightOf(adapter: ModelAdapter | undefined): number {
    return adapter === undefined ? 0 : (this.#inFlightByAdapter.get(adapter.id) ?? 0)
  }

  isResident(adapter: ModelAdapter | undefined): boolean {
    return adapter === undefined || this.#resident.has(adapter.id)
  }

  isLoading(adapter: ModelAdapter): boolean {
    return this.#loading.has(adapter.id)
  }

  get residents(): ReadonlySet<number> {
    return this.#resident
  }

  /** What a router reads that scrapes engines: up to 50 ms old. */
  scrape(nowMs: number): Scrape {
    const known = this.#scraped
    if (known !== undefined && nowMs - this.#scrapedMs < scrapeEveryMs) {
      return known
    }
    const { gauges, running, inFlight } = this.model
    const fresh = {
      waiting: gauges.waiting + gauges.deferred,
      running: gauges.running,
      kvUsage: gauges.kvCacheUsage,
      activeAdapters: adaptersOf(running),
      waitingAdapters: adaptersOf(inFlight.slice(running.length)),
    }
    this.#scraped = fresh
    this.#scrapedMs = nowMs
    return fresh
  }

  submit(request: LabRequest, nowMs: number): void {
    request.replica = this.index
    request.sentMs = nowMs
    this.inFlight += 1
    this.queuedPromptTokens += request.promptTokens
    this.expectedTokens += request.expectedOutput
    this.beginnings += hasJustBegun(request.expectedOutput, request.expectedOutput) ? 1 : 0
    const { adapter } = request
    if (adapter !== undefined) {
      this.#inFlightByAdapter.set(adapter.id, this.inFlightOf(adapter) + 1)
      if (this.#resident.delete(adapter.id)) {
        this.#resident.add(adapter.id)
      }
    }
    this.model.submit(request, nowMs)
  }

  /** Loads it between two steps, which stalls what runs. */
  order(adapter: ModelAdapter, nowMs: number): void {
    if (!this.#loading.has(adapter.id) && !this.#resident.has(adapter.id)) {
      this.#makeRoom()
      this.#loading.add(adapter.id)
      this.diskReads += 1
      this.model.load(adapter, 'None', nowMs)
    }
  }

  /** There from the start, as a warmed-up replica has it: costs nothing. */
  preload(adapter: ModelAdapter): void {
    this.#resident.add(adapter.id)
    this.model.preload(adapter)
  }

  /**
   * What host memory will push out is not routed to any more: what no plan wants, then what was of no use for longest. The rest is
   * touched, as agents do, so that the engine's own order is the same.
   */
  #makeRoom(): void {
    while (this.#resident.size + this.#loading.size >= this.hostCapacity) {
      const idle = [...this.#resident].filter((id) => !this.#inFlightByAdapter.has(id))
      const victim = idle.find((id) => !this.wanted.has(id)) ?? idle[0]
      if (victim === undefined) {
        return
      }
      this.#resident.delete(victim)
    }
    for (const id of this.#resident) {
      this.model.preload({ id, name: '', path: '' })
    }
  }

  /** As agents see it: what began meanwhile has changed the engine's order, and so what it pushed out. */
  #forgetEvicted(): void {
    const there = new Set(this.model.caches.inHostMemory)
    for (const id of this.#resident) {
      if (!there.has(id)) {
        this.#resident.delete(id)
      }
    }
  }

  #modelListener(): ModelListener<LabRequest> {
    return {
      started: () => {},
      token: (sequence, nowMs, last) => this.#token(sequence, nowMs, last),
      readAdapter: (adapter) => {
        this.diskReads += 1
        this.model.adapterRead(adapter.id, { outcome: 'Read', harm: 'None' }, 0)
        this.#forgetEvicted()
      },
      loaded: (adapter, nowMs) => {
        this.#loading.delete(adapter.id)
        this.#resident.add(adapter.id)
        this.#forgetEvicted()
        this.#listener.loaded(this, adapter, nowMs)
      },
      stepped: (nowMs) => this.#stepped(nowMs),
      died: () => {},
    }
  }

  #stepped(nowMs: number): void {
    const gapMs = nowMs - this.#steppedMs
    this.#steppedMs = nowMs
    // A longer one is a pause, not a step.
    if (this.model.running.length > 0 && gapMs < 1000) {
      this.pace.note(gapMs, nowMs)
    }
  }

  #token({ request, generated }: Sequence<LabRequest>, nowMs: number, last: boolean): void {
    if (generated === 1) {
      request.firstTokenMs = nowMs
      this.queuedPromptTokens -= request.promptTokens
      this.#listener.firstToken(request, nowMs)
    }
    this.#listener.token?.(request, nowMs)
    const { expectedOutput } = request
    if (generated <= expectedOutput) {
      this.expectedTokens -= 1
    }
    if (hasJustBegun(expectedOutput - generated + 1, expectedOutput)) {
      this.beginnings -= hasJustBegun(expectedOutput - generated, expectedOutput) ? 0 : 1
    }
    if (last) {
      this.#leave(request, generated)
      request.endMs = nowMs
      this.#listener.ended(request, nowMs)
    }
  }

  #leave({ adapter, expectedOutput }: LabRequest, generated: number): void {
    this.inFlight -= 1
    this.expectedTokens -= Math.max(0, expectedOutput - generated)
    this.beginnings -= hasJustBegun(expectedOutput - generated, expectedOutput) ? 1 : 0
    if (adapter === undefined) {
      return
    }
    const left = this.inFlightOf(adapter) - 1
    if (left === 0) {
      this.#inFlightByAdapter.delete(adapter.id)
    } else {
      this.#inFlightByAdapter.set(adapter.id, left)
    }
  }
}

function adaptersOf(sequences: readonly Sequence<LabRequest>[]): ReadonlySet<number> {
  const ids = new Set<number>()
  for (const { request } of sequences) {
    if (request.adapter !== undefined) {
      ids.add(request.adapter.id)
    }
  }
  return ids
}

import type {
  ModelAdapter,
  ModelGauges,
  ModelOptions,
  ModelRequest,
  Sequence,
} from './model-types.ts'
import { PrefixCache } from './prefix-cache.ts'

export interface BatchSequence<R extends ModelRequest> extends Sequence<R> {
  startedMs: number | undefined
  firstTokenMs: number | undefined
  generated: number
  cachedTokens: number
  garbled: boolean
  preemptions: number
  /** Prompt tokens (after a preemption: generated ones too) still to compute. */
  prefillLeft: number
  /** Tokens computed in the present step. */
  scheduled: number
  kvTokens: number
  /** Waits because its adapter would be one too many. */
  isDeferred: boolean
}

/** What became of a sequence in a step: still reading its prompt, one token more, or its last. */
export type Progress = 'Prefill' | 'Token' | 'Last'

/** Who runs and who waits: admission, KV space, preemption and the prefix cache. Knows nothing of time or weights. */
export class Batch<R extends ModelRequest> {
  readonly #options: ModelOptions
  readonly #prefixes: PrefixCache
  readonly #sequences = new Map<R, BatchSequence<R>>()
  #running: BatchSequence<R>[] = []
  #waiting: BatchSequence<R>[] = []
  #kvUsed = 0
  #preemptions = 0
  #prefixQueries = 0
  #prefixHits = 0

  constructor(options: ModelOptions) {
    this.#options = options
    this.#prefixes = new PrefixCache(options.kvTokens)
  }

  get running(): readonly BatchSequence<R>[] {
    return this.#running
  }

  /** Running before waiting. */
  get all(): readonly BatchSequence<R>[] {
    return [...this.#running, ...this.#waiting]
  }

  get gauges(): ModelGauges {
    const deferred = this.#waiting.filter(({ isDeferred }) => isDeferred).length
    return {
      running: this.#running.length,
      waiting: this.#waiting.length - deferred,
      deferred,
      kvCacheUsage: this.#kvUsed / this.#options.kvTokens,
      preemptions: this.#preemptions,
      prefixQueries: this.#prefixQueries,
      prefixHits: this.#prefixHits,
    }
  }

  has(request: R): boolean {
    return this.#sequences.has(request)
  }

  add(request: R, nowMs: number): void {
    const sequence: BatchSequence<R> = {
      request,
      arrivedMs: nowMs,
      startedMs: undefined,
      firstTokenMs: undefined,
      generated: 0,
      cachedTokens: 0,
      garbled: false,
      preemptions: 0,
      prefillLeft: request.promptTokens,
      scheduled: 0,
      kvTokens: 0,
      isDeferred: false,
    }
    this.#sequences.set(request, sequence)
    this.#waiting.push(sequence)
  }

  /** Takes a request out wherever it is, with its KV space. Undefined when it is not there any more. */
  remove(request: R): BatchSequence<R> | undefined {
    const sequence = this.#sequences.get(request)
    if (sequence !== undefined) {
      this.#sequences.delete(request)
      this.#waiting = this.#waiting.filter((other) => other !== sequence)
      this.#running = this.#running.filter((other) => other !== sequence)
      this.#free(sequence)
    }
    return sequence
  }

  clear(): readonly R[] {
    const requests = [...this.#sequences.keys()]
    this.#sequences.clear()
    this.#running = []
    this.#waiting = []
    this.#kvUsed = 0
    return requests
  }

  /** Distinct adapters of running requests, by id. */
  activeAdapters(): Map<number, ModelAdapter> {
    const active = new Map<number, ModelAdapter>()
    for (const { request } of this.#running) {
      if (request.adapter !== undefined) {
        active.set(request.adapter.id, request.adapter)
      }
    }
    return active
  }

  /**
   * First come first served; who lacks a LoRA slot is skipped, who lacks room stops everybody behind. Returns the
   * adapters that are active then.
   */
  admit(): ReadonlyMap<number, ModelAdapter> {
    this.#preemptForRoom()
    const active = this.activeAdapters()
    if (this.#waiting.length === 0) {
      return active
    }
    const left: BatchSequence<R>[] = []
    let isFull = false
    for (const sequence of this.#waiting) {
      const { adapter } = sequence.request
      isFull ||= !this.#hasRoom(sequence)
      const noSlot =
        adapter !== undefined && !active.has(adapter.id) && active.size >= this.#options.maxLoras
      sequence.isDeferred = noSlot && !isFull
      if (isFull || noSlot) {
        left.push(sequence)
        continue
      }
      if (adapter !== undefined) {
        active.set(adapter.id, adapter)
      }
      this.#enter(sequence)
    }
    this.#waiting = left
    return active
  }

  /** Shares a step's token budget out; returns the prompt tokens in it. */
  schedule(): number {
    let budget = this.#options.maxNumBatchedTokens
    let prefill = 0
    for (const sequence of this.#running) {
      sequence.scheduled = Math.min(budget, Math.max(1, sequence.prefillLeft))
      budget -= sequence.scheduled
      if (sequence.prefillLeft > 0) {
        prefill += sequence.scheduled
      }
    }
    return prefill
  }

  /** What the step did for one running sequence. After `Last` it is out of the batch. */
  compute(sequence: BatchSequence<R>, nowMs: number): Progress {
    if (sequence.prefillLeft > 0) {
      sequence.prefillLeft -= sequence.scheduled
      if (sequence.prefillLeft > 0) {
        return 'Prefill'
      }
      this.#prefixes.add(sequence.request.blocks)
    }
    sequence.generated += 1
    sequence.kvTokens += 1
    this.#kvUsed += 1
    sequence.firstTokenMs ??= nowMs
    if (sequence.generated < sequence.request.outputTokens) {
      return 'Token'
    }
    this.#sequences.delete(sequence.request)
    this.#free(sequence)
    return 'Last'
  }

  /** Drops from the running those whose last token came: once a step, not once a request. */
  sweep(): void {
    if (this.#running.some(({ request }) => !this.#sequences.has(request))) {
      this.#running = this.#running.filter(({ request }) => this.#sequences.has(request))
    }
  }

  #hasRoom(sequence: BatchSequence<R>): boolean {
    const tokens = sequence.request.promptTokens + sequence.generated + 1
    return (
      this.#running.length < this.#options.maxNumSeqs &&
      (this.#running.length === 0 ||
        this.#kvUsed + tokens + this.#running.length <= this.#options.kvTokens)
    )
  }

  #enter(sequence: BatchSequence<R>): void {
    const { blocks, promptTokens } = sequence.request
    const cached = this.#prefixes.cachedTokens(blocks, promptTokens)
    if (sequence.startedMs === undefined) {
      sequence.cachedTokens = cached
    }
    this.#prefixQueries += promptTokens
    this.#prefixHits += cached
    sequence.prefillLeft -= cached
    sequence.kvTokens = promptTokens + sequence.generated
    this.#kvUsed += sequence.kvTokens
    this.#running.push(sequence)
  }

  /** Every running request grows by a token: puts the youngest back, to be computed anew, until that fits. */
  #preemptForRoom(): void {
    while (this.#kvUsed + this.#running.length > this.#options.kvTokens) {
      const victim = this.#running.length > 1 ? this.#running.pop() : undefined
      if (victim === undefined) {
        return
      }
      this.#free(victim)
      victim.prefillLeft = victim.request.promptTokens + victim.generated
      victim.preemptions += 1
      this.#preemptions += 1
      this.#waiting.unshift(victim)
    }
  }

  #free(sequence: BatchSequence<R>): void {
    this.#kvUsed -= sequence.kvTokens
    sequence.kvTokens = 0
  }
}

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
  /** Ended or aborted: no longer here, though the present step may still list it. */
  hasLeft: boolean
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
  /** Adapters of running requests with how many, kept up to date because every step asks. */
  readonly #active = new Map<number, ModelAdapter>()
  readonly #activeCounts = new Map<number, number>()
  #activeVersion = 0
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
      hasLeft: false,
    }
    this.#sequences.set(request, sequence)
    this.#waiting.push(sequence)
  }

  /** Takes a request out wherever it is, with its KV space. Undefined when it is not there any more. */
  remove(request: R): BatchSequence<R> | undefined {
    const sequence = this.#sequences.get(request)
    if (sequence !== undefined) {
      sequence.hasLeft = true
      this.#sequences.delete(request)
      this.#waiting = this.#waiting.filter((other) => other !== sequence)
      if (this.#running.includes(sequence)) {
        this.#running = this.#running.filter((other) => other !== sequence)
        this.#deactivate(sequence)
      }
      this.#free(sequence)
    }
    return sequence
  }

  clear(): readonly R[] {
    const requests = [...this.#sequences.keys()]
    for (const sequence of this.#sequences.values()) {
      sequence.hasLeft = true
    }
    this.#active.clear()
    this.#activeCounts.clear()
    this.#activeVersion += 1
    this.#sequences.clear()
    this.#running = []
    this.#waiting = []
    this.#kvUsed = 0
    return requests
  }

  /** Distinct adapters of running requests, by id, as they are now: the map changes with them. */
  get activeAdapters(): ReadonlyMap<number, ModelAdapter> {
    return this.#active
  }

  /** Changes whenever `activeAdapters` does. */
  get activeVersion(): number {
    return this.#activeVersion
  }

  /** First come first served; who lacks a LoRA slot is skipped, who lacks room stops everybody behind. */
  admit(): void {
    this.#preemptForRoom()
    if (this.#waiting.length === 0) {
      return
    }
    const active = this.#active
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
      this.#enter(sequence)
    }
    this.#waiting = left
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
    sequence.hasLeft = true
    this.#deactivate(sequence)
    this.#free(sequence)
    return 'Last'
  }

  /** Drops from the running those whose last token came: once a step, not once a request. */
  sweep(): void {
    if (this.#running.some(({ hasLeft }) => hasLeft)) {
      this.#running = this.#running.filter(({ hasLeft }) => !hasLeft)
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
    this.#activate(sequence)
  }

  #activate({ request: { adapter } }: BatchSequence<R>): void {
    if (adapter === undefined) {
      return
    }
    const count = this.#activeCounts.get(adapter.id) ?? 0
    this.#activeCounts.set(adapter.id, count + 1)
    if (count === 0) {
      this.#active.set(adapter.id, adapter)
      this.#activeVersion += 1
    }
  }

  #deactivate({ request: { adapter } }: BatchSequence<R>): void {
    if (adapter === undefined) {
      return
    }
    const left = (this.#activeCounts.get(adapter.id) ?? 0) - 1
    if (left > 0) {
      this.#activeCounts.set(adapter.id, left)
      return
    }
    this.#activeCounts.delete(adapter.id)
    this.#active.delete(adapter.id)
    this.#activeVersion += 1
  }

  /** Every running request grows by a token: puts the youngest back, to be computed anew, until that fits. */
  #preemptForRoom(): void {
    while (this.#kvUsed + this.#running.length > this.#options.kvTokens) {
      const victim = this.#running.length > 1 ? this.#running.pop() : undefined
      if (victim === undefined) {
        return
      }
      this.#free(victim)
      this.#deactivate(victim)
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

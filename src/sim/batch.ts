import { ActiveAdapters } from './active-adapters.ts'
import { blocksOf, newSequence, type BatchSequence } from './batch-sequence.ts'
import type { ModelAdapter, ModelGauges, ModelOptions, ModelRequest } from './model-types.ts'
import { blockTokens, PrefixCache } from './prefix-cache.ts'
import { WaitingQueue } from './waiting-queue.ts'

/** What became of a sequence in a step: still reading its prompt, one token more, or its last. */
export type Progress = 'Prefill' | 'Token' | 'Last'

/**
 * Who runs and who waits, as vllm/v1/core/sched/scheduler.py has it: the token budget of a step goes to running requests
 * first, and only what is left lets waiting ones in. Knows nothing of time or weights.
 */
export class Batch<R extends ModelRequest> {
  readonly #options: ModelOptions
  readonly #prefixes: PrefixCache
  readonly #blocks: number
  readonly #sequences = new Map<R, BatchSequence<R>>()
  readonly #active = new ActiveAdapters()
  readonly #waiting = new WaitingQueue<BatchSequence<R>>()
  #running: BatchSequence<R>[] = []
  #usedBlocks = 0
  #preemptions = 0
  #prefixQueries = 0
  #prefixHits = 0
  /** Of the last admission: up to where the queue was looked through, and whether slots ran out meanwhile. */
  #lookedUpTo = 0
  #hadNoSlot = false
  #skipped = 0
  readonly #releasedSince = new Set<number>()

  constructor(options: ModelOptions) {
    this.#options = options
    this.#blocks = Math.max(1, Math.floor(options.kvTokens / blockTokens))
    this.#prefixes = new PrefixCache(options.kvTokens)
  }

  get running(): readonly BatchSequence<R>[] {
    return this.#running
  }

  /** Running before waiting. */
  get all(): readonly BatchSequence<R>[] {
    return [...this.#running, ...this.#waiting.all]
  }

  get gauges(): ModelGauges {
    const deferred = this.deferred
    return {
      running: this.#running.length,
      waiting: this.#waiting.length - deferred,
      deferred,
      kvCacheUsage: this.#usedBlocks / this.#blocks,
      preemptions: this.#preemptions,
      prefixQueries: this.#prefixQueries,
      prefixHits: this.#prefixHits,
    }
  }

  /** Waiting requests that the step decided on walked over. */
  get skipped(): number {
    return this.#skipped
  }

  /** Requests that wait for a slot still since they were skipped. */
  get deferred(): number {
    const wasDeferred = (line: number): boolean =>
      line !== 0 && !this.#active.has(line) && !this.#releasedSince.has(line)
    return this.#hadNoSlot ? this.#waiting.countBefore(this.#lookedUpTo, wasDeferred) : 0
  }

  add(request: R, nowMs: number): void {
    const sequence = newSequence(request, nowMs)
    this.#sequences.set(request, sequence)
    this.#waiting.add(sequence)
  }

  /** Takes a request out wherever it is, with its KV space. Undefined when it is not there any more. */
  remove(request: R): BatchSequence<R> | undefined {
    const sequence = this.#sequences.get(request)
    if (sequence !== undefined) {
      this.#sequences.delete(request)
      if (!this.#waiting.remove(sequence)) {
        this.#running = this.#running.filter((other) => other !== sequence)
        this.#stop(sequence)
      }
    }
    return sequence
  }

  clear(): readonly R[] {
    const requests = [...this.#sequences.keys()]
    this.#sequences.clear()
    this.#running = []
    this.#waiting.clear()
    this.#active.clear()
    this.#usedBlocks = 0
    return requests
  }

  /** Distinct adapters of running requests, by id; a live view. */
  activeAdapters(): ReadonlyMap<number, ModelAdapter> {
    return this.#active.byId
  }

  /** Another whenever the set of active adapters is another. */
  get activeVersion(): number {
    return this.#active.version
  }

  /** Decides the next step. Who lacks a LoRA slot is skipped, who lacks room stops everybody behind. */
  schedule(): void {
    const preemptions = this.#preemptions
    const budget = this.#scheduleRunning()
    this.#lookedUpTo = 0
    this.#hadNoSlot = false
    this.#skipped = 0
    this.#releasedSince.clear()
    // Somebody just made room: nobody may take it in the same step.
    if (this.#preemptions === preemptions && this.#waiting.length > 0) {
      this.#admit(budget)
    }
  }

  /** Prompt tokens in the step decided on. */
  get prefillTokens(): number {
    let tokens = 0
    for (const { prefillLeft, scheduled } of this.#running) {
      tokens += prefillLeft > 0 ? scheduled : 0
    }
    return tokens
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
    sequence.firstTokenMs ??= nowMs
    if (sequence.generated < sequence.request.outputTokens) {
      return 'Token'
    }
    this.#sequences.delete(sequence.request)
    this.#stop(sequence)
    return 'Last'
  }

  /** Drops from the running those whose last token came: once a step, not once a request. */
  sweep(): void {
    if (this.#running.some(({ isRunning }) => !isRunning)) {
      this.#running = this.#running.filter(({ isRunning }) => isRunning)
    }
  }

  /** Returns the tokens left in the step's budget. */
  #scheduleRunning(): number {
    let budget = this.#options.maxNumBatchedTokens
    for (let at = 0; at < this.#running.length; at += 1) {
      const sequence = this.#running[at]
      if (sequence !== undefined) {
        const tokens = Math.min(budget, Math.max(1, sequence.prefillLeft))
        sequence.scheduled = tokens > 0 && this.#grow(sequence) ? tokens : 0
        budget -= sequence.scheduled
      }
    }
    return budget
  }

  /** KV space for all tokens so far: puts the youngest back, to be computed anew, until there is some. */
  #grow(sequence: BatchSequence<R>): boolean {
    const more = blocksOf(sequence) - sequence.kvBlocks
    while (more > 0 && this.#usedBlocks + more > this.#blocks && this.#running.length > 1) {
      const victim = this.#running.pop()
      if (victim !== undefined) {
        this.#preempt(victim)
      }
      if (victim === sequence) {
        return false
      }
    }
    sequence.kvBlocks += more
    this.#usedBlocks += more
    return true
  }

  #preempt(victim: BatchSequence<R>): void {
    this.#stop(victim)
    victim.prefillLeft = victim.request.promptTokens + victim.generated
    victim.scheduled = 0
    victim.preemptions += 1
    this.#preemptions += 1
    this.#waiting.putBack(victim)
  }

  #admit(tokens: number): void {
    let budget = tokens
    while (budget > 0 && this.#running.length < this.#options.maxNumSeqs) {
      const hasSlot = this.#active.size < this.#options.maxLoras
      const sequence = hasSlot ? this.#waiting.first() : this.#waiting.firstOf(this.#active.byId)
      this.#lookedUpTo = sequence?.order ?? this.#waiting.nextOrder
      if (sequence === undefined || !this.#hasRoom(sequence)) {
        break
      }
      this.#enter(sequence)
      sequence.scheduled = Math.min(budget, sequence.prefillLeft)
      budget -= sequence.scheduled
    }
    this.#hadNoSlot = this.#active.size >= this.#options.maxLoras
    // Looked through to the end, whoever is left was skipped.
    const isThrough = this.#lookedUpTo === this.#waiting.nextOrder
    this.#skipped = isThrough ? this.#waiting.length : this.deferred
  }

  #hasRoom(sequence: BatchSequence<R>): boolean {
    return this.#running.length === 0 || this.#usedBlocks + blocksOf(sequence) <= this.#blocks
  }

  #enter(sequence: BatchSequence<R>): void {
    const { adapter, blocks, promptTokens } = sequence.request
    const cached = this.#prefixes.cachedTokens(blocks, promptTokens)
    if (sequence.startedMs === undefined) {
      sequence.cachedTokens = cached
    }
    this.#prefixQueries += promptTokens
    this.#prefixHits += cached
    sequence.prefillLeft -= cached
    sequence.kvBlocks = blocksOf(sequence)
    sequence.isRunning = true
    this.#usedBlocks += sequence.kvBlocks
    this.#active.add(adapter)
    this.#waiting.remove(sequence)
    this.#running.push(sequence)
  }

  #stop(sequence: BatchSequence<R>): void {
    const { adapter } = sequence.request
    this.#usedBlocks -= sequence.kvBlocks
    sequence.kvBlocks = 0
    sequence.isRunning = false
    this.#active.remove(adapter)
    if (adapter !== undefined && !this.#active.has(adapter.id)) {
      this.#releasedSince.add(adapter.id)
    }
  }
}

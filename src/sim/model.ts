import { BugError } from '../errors.ts'
import { AdapterCaches, type Harm } from './adapter-caches.ts'
import type {
  ModelAdapter,
  ModelGauges,
  ModelListener,
  ModelOptions,
  ModelRequest,
  ReadOutcome,
  Sequence,
} from './model-types.ts'
import { Poison } from './poison.ts'
import { PrefixCache } from './prefix-cache.ts'

interface Running<R extends ModelRequest> extends Sequence<R> {
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
}

type State =
  | { readonly state: 'Idle' }
  | { readonly state: 'Stepping'; readonly endMs: number }
  | {
      readonly state: 'Loading'
      readonly endMs: number
      readonly adapter: ModelAdapter
      readonly harm: Harm
    }
  /** Stands still in the middle of a step until every one of `missing` is read. */
  | {
      readonly state: 'Reading'
      readonly startMs: number
      readonly missing: Set<number>
      readonly reads: number
    }
  | { readonly state: 'Dead' }

const idle: State = { state: 'Idle' }

/**
 * vLLM's scheduler with LoRA, in virtual time: every method takes the present time, nothing here reads a clock, draws a
 * random number or does I/O. Sources: vllm/v1/core/sched/scheduler.py and vllm/lora/worker_manager.py of 0.32.
 *
 * - Steps follow one another; a step computes one token for every running request, and prompts in chunks.
 * - Admission is first come first served, but a request whose adapter would be one too many is skipped, for as long as
 *   the others have work: there is no ageing.
 * - Adapters that a step needs and host memory lacks are read inside the step, so everybody waits; a failed read kills the engine.
 * - A load runs between steps and stalls every stream; it takes the least recently used slot, in use or not.
 */
export class VllmModel<R extends ModelRequest> {
  readonly #options: ModelOptions
  readonly #listener: ModelListener<R>
  readonly #adapters: AdapterCaches
  readonly #prefixes: PrefixCache
  readonly #poison = new Poison()
  readonly #sequences = new Map<R, Running<R>>()
  #running: Running<R>[] = []
  #waiting: Running<R>[] = []
  readonly #loads: { adapter: ModelAdapter; harm: Harm }[] = []
  #state: State = idle
  #kvUsed = 0
  #deferred = 0
  #preemptions = 0
  #prefixQueries = 0
  #prefixHits = 0

  constructor(options: ModelOptions, listener: ModelListener<R>) {
    this.#options = options
    this.#listener = listener
    this.#adapters = new AdapterCaches(options.maxLoras, options.maxCpuLoras)
    this.#prefixes = new PrefixCache(options.kvTokens)
  }

  get isDead(): boolean {
    return this.#state.state === 'Dead'
  }

  get gauges(): ModelGauges {
    return {
      running: this.#running.length,
      waiting: this.#waiting.length - this.#deferred,
      deferred: this.#deferred,
      kvCacheUsage: this.#kvUsed / this.#options.kvTokens,
      preemptions: this.#preemptions,
      prefixQueries: this.#prefixQueries,
      prefixHits: this.#prefixHits,
    }
  }

  /** Every request inside, running before waiting. */
  get inFlight(): readonly Sequence<R>[] {
    return [...this.#running, ...this.#waiting]
  }

  get running(): readonly Sequence<R>[] {
    return this.#running
  }

  /** Distinct adapters among running requests: what `maxLoras` bounds. */
  get runningAdapters(): ReadonlySet<number> {
    return this.#activeAdapters()
  }

  get caches(): { readonly onGpu: readonly number[]; readonly inHostMemory: readonly number[] } {
    return { onGpu: this.#adapters.onGpu, inHostMemory: this.#adapters.inHostMemory }
  }

  /** When `advance` next has something to do; undefined while idle, dead or reading. */
  nextEventMs(): number | undefined {
    return 'endMs' in this.#state ? this.#state.endMs : undefined
  }

  submit(request: R, nowMs: number): void {
    if (this.#state.state === 'Dead') {
      throw new BugError('a request was submitted to a dead engine')
    }
    const sequence: Running<R> = {
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
    }
    this.#sequences.set(request, sequence)
    this.#waiting.push(sequence)
    this.#beginIfIdle(nowMs)
  }

  /** Drops a request wherever it is; its slot and KV are free at once. False when it had ended already. */
  abort(request: R): boolean {
    const sequence = this.#sequences.get(request)
    if (sequence === undefined) {
      return false
    }
    this.#waiting = this.#waiting.filter((other) => other !== sequence)
    this.#running = this.#running.filter((other) => other !== sequence)
    this.#release(sequence)
    return true
  }

  /** Loads weights that were read from `adapter.path` and found good; `loaded` tells the end. */
  load(adapter: ModelAdapter, harm: Harm, nowMs: number): void {
    this.#loads.push({ adapter, harm })
    this.#beginIfIdle(nowMs)
  }

  /** Runs every step that ends by `nowMs`. */
  advance(nowMs: number): void {
    for (let state = this.#state; 'endMs' in state && state.endMs <= nowMs; state = this.#state) {
      this.#state = idle
      if (state.state === 'Loading') {
        this.#finishLoad(state.adapter, state.harm, state.endMs)
      } else {
        this.#finishStep(state.endMs)
      }
      // A listener may have submitted something, and so begun the next step already.
      this.#beginIfIdle(state.endMs)
    }
  }

  /** The answer to `readAdapter`. */
  adapterRead(id: number, outcome: ReadOutcome, nowMs: number): void {
    const state = this.#state
    if (state.state !== 'Reading' || !state.missing.delete(id)) {
      return
    }
    if (outcome.outcome === 'Failed') {
      this.kill(nowMs)
      return
    }
    this.#adapters.hold(id, outcome.harm)
    if (state.missing.size === 0) {
      this.#step(Math.max(state.startMs, nowMs), state.reads)
    }
  }

  /** EngineCore encountered an issue: everything in flight is lost. */
  kill(nowMs: number): void {
    if (this.#state.state === 'Dead') {
      return
    }
    this.#state = { state: 'Dead' }
    const requests = [...this.#sequences.keys()]
    this.#sequences.clear()
    this.#running = []
    this.#waiting = []
    this.#deferred = 0
    this.#kvUsed = 0
    this.#listener.died(requests, nowMs)
  }

  #beginIfIdle(nowMs: number): void {
    if (this.#state.state === 'Idle') {
      this.#begin(nowMs)
    }
  }

  #begin(nowMs: number): void {
    const load = this.#loads.shift()
    if (load !== undefined) {
      const { diskToHostMs, hostToSlotMs } = this.#options.profile
      this.#state = { state: 'Loading', endMs: nowMs + diskToHostMs + hostToSlotMs, ...load }
      return
    }
    this.#preemptForRoom()
    this.#admit()
    if (this.#running.length > 0) {
      this.#readMissing(nowMs)
    }
  }

  #finishLoad(adapter: ModelAdapter, harm: Harm, nowMs: number): void {
    this.#adapters.hold(adapter.id, harm)
    this.#adapters.activate(adapter.id)
    this.#listener.loaded(adapter, nowMs)
  }

  #activeAdapters(): Set<number> {
    const active = new Set<number>()
    for (const { request } of this.#running) {
      if (request.adapter !== undefined) {
        active.add(request.adapter.id)
      }
    }
    return active
  }

  /** Every running request grows by a token: puts the youngest back until that fits. */
  #preemptForRoom(): void {
    while (
      this.#running.length > 1 &&
      this.#kvUsed + this.#running.length > this.#options.kvTokens
    ) {
      const victim = this.#running.pop()
      if (victim === undefined) {
        return
      }
      this.#kvUsed -= victim.kvTokens
      victim.kvTokens = 0
      victim.prefillLeft = victim.request.promptTokens + victim.generated
      victim.preemptions += 1
      this.#preemptions += 1
      this.#waiting.unshift(victim)
    }
  }

  #admit(): void {
    const active = this.#activeAdapters()
    const left: Running<R>[] = []
    let deferred = 0
    let full = false
    for (const sequence of this.#waiting) {
      const id = sequence.request.adapter?.id
      full ||= !this.#hasRoom(sequence)
      const noSlot = id !== undefined && !active.has(id) && active.size >= this.#options.maxLoras
      if (full || noSlot) {
        deferred += noSlot && !full ? 1 : 0
        left.push(sequence)
        continue
      }
      if (id !== undefined) {
        active.add(id)
      }
      this.#enter(sequence)
    }
    this.#waiting = left
    this.#deferred = deferred
  }

  #hasRoom(sequence: Running<R>): boolean {
    const tokens = sequence.request.promptTokens + sequence.generated + 1
    return (
      this.#running.length < this.#options.maxNumSeqs &&
      (this.#running.length === 0 ||
        this.#kvUsed + tokens + this.#running.length <= this.#options.kvTokens)
    )
  }

  #enter(sequence: Running<R>): void {
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

  #readMissing(nowMs: number): void {
    const missing = new Map<number, ModelAdapter>()
    for (const { request } of this.#running) {
      if (request.adapter !== undefined && !this.#adapters.inHost(request.adapter.id)) {
        missing.set(request.adapter.id, request.adapter)
      }
    }
    if (missing.size === 0) {
      this.#step(nowMs, 0)
      return
    }
    const waitFor = new Set(missing.keys())
    this.#state = { state: 'Reading', startMs: nowMs, missing: waitFor, reads: missing.size }
    for (const adapter of missing.values()) {
      this.#listener.readAdapter(adapter)
    }
  }

  #step(nowMs: number, reads: number): void {
    const { profile, maxLoras } = this.#options
    const active = this.#activeAdapters()
    let copies = 0
    for (const id of active) {
      this.#adapters.inHost(id)
      copies += this.#adapters.activate(id) ? 1 : 0
    }
    const prefill = this.#schedule()
    const durationMs =
      profile.stepMs +
      profile.perRequestMs * this.#running.length +
      profile.perAdapterMs * active.size +
      profile.perSlotMs * maxLoras +
      profile.perPrefillTokenMs * Math.max(0, prefill - profile.freePrefillTokens) +
      profile.hostToSlotMs * copies +
      profile.diskToHostMs * reads
    this.#state = { state: 'Stepping', endMs: nowMs + durationMs }
    this.#tellStarted(nowMs)
  }

  /** Shares the step's token budget out; returns the prompt tokens in it. */
  #schedule(): number {
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

  #tellStarted(nowMs: number): void {
    for (const sequence of this.#running) {
      if (sequence.startedMs === undefined) {
        sequence.startedMs = nowMs
        sequence.garbled = this.#harmOf(sequence) === 'None' && this.#poison.take()
        this.#listener.started(sequence, nowMs)
      }
    }
  }

  #harmOf(sequence: Running<R>): Harm {
    const { adapter } = sequence.request
    return adapter === undefined ? 'None' : this.#adapters.harmOf(adapter.id)
  }

  #finishStep(nowMs: number): void {
    for (const sequence of this.#running) {
      if (sequence.scheduled > 0 && this.#sequences.has(sequence.request)) {
        this.#compute(sequence, nowMs)
      }
    }
    this.#running = this.#running.filter((sequence) => this.#sequences.has(sequence.request))
    this.#listener.stepped(nowMs)
  }

  #compute(sequence: Running<R>, nowMs: number): void {
    if (sequence.prefillLeft > 0) {
      sequence.prefillLeft -= sequence.scheduled
      if (sequence.prefillLeft > 0) {
        return
      }
      this.#prefixes.add(sequence.request.blocks)
    }
    sequence.generated += 1
    sequence.kvTokens += 1
    this.#kvUsed += 1
    sequence.firstTokenMs ??= nowMs
    const last = sequence.generated >= sequence.request.outputTokens
    if (last) {
      this.#release(sequence)
    }
    this.#listener.token(sequence, nowMs, last)
  }

  #release(sequence: Running<R>): void {
    this.#kvUsed -= sequence.kvTokens
    sequence.kvTokens = 0
    this.#sequences.delete(sequence.request)
    if (sequence.startedMs !== undefined) {
      this.#poison.release(this.#harmOf(sequence))
    }
  }
}

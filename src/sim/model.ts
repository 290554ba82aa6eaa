import { BugError } from '../errors.ts'
import { AdapterCaches, type Harm } from './adapter-caches.ts'
import { Batch, type BatchSequence } from './batch.ts'
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

interface Load {
  readonly adapter: ModelAdapter
  readonly harm: Harm
}

type State =
  | { readonly state: 'Idle' }
  | { readonly state: 'Stepping'; readonly endMs: number }
  | { readonly state: 'Loading'; readonly endMs: number; readonly load: Load }
  /** Telling the listener what a step or load did; whatever it asks for begins after that. */
  | { readonly state: 'Finishing' }
  /** Stands still in the middle of a step until every one of `missing` is read. */
  | {
      readonly state: 'Reading'
      readonly startMs: number
      readonly missing: Set<number>
      readonly reads: number
    }
  | { readonly state: 'Dead' }

const idle: State = { state: 'Idle' }
const finishing: State = { state: 'Finishing' }

/**
 * vLLM's engine with LoRA, in virtual time: every method takes the present time, nothing here reads a clock, draws a
 * random number or does I/O. Sources: vllm/v1/core/sched/scheduler.py and vllm/lora/worker_manager.py of 0.32.
 *
 * - Steps follow one another; a step computes one token for every running request, and prompts in chunks.
 * - Admission is first come first served, but a request whose adapter would be one too many is skipped, for as long as
 *   the others have work: there is no ageing.
 * - Adapters that a step needs and host memory lacks are read inside the step, so everybody waits; a failed read kills
 *   the engine.
 * - A load runs between steps and stalls every stream; it takes the least recently used slot, in use or not.
 */
export class VllmModel<R extends ModelRequest> {
  readonly #options: ModelOptions
  readonly #listener: ModelListener<R>
  readonly #adapters: AdapterCaches
  readonly #batch: Batch<R>
  readonly #poison = new Poison()
  readonly #loads: Load[] = []
  #state: State = idle
  /** The batch's `activeVersion` whose adapters are all in slots, the latest used in their order: nothing is left to do. */
  #settledVersion = -1

  constructor(options: ModelOptions, listener: ModelListener<R>) {
    this.#options = options
    this.#listener = listener
    this.#adapters = new AdapterCaches(options.maxLoras, options.maxCpuLoras)
    this.#batch = new Batch(options)
  }

  get isDead(): boolean {
    return this.#state.state === 'Dead'
  }

  get gauges(): ModelGauges {
    return this.#batch.gauges
  }

  /** Every request inside, running before waiting. */
  get inFlight(): readonly Sequence<R>[] {
    return this.#batch.all
  }

  get running(): readonly Sequence<R>[] {
    return this.#batch.running
  }

  /** Distinct adapters among running requests, by id: what `maxLoras` bounds. */
  get runningAdapters(): ReadonlyMap<number, ModelAdapter> {
    return this.#batch.activeAdapters
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
    this.#batch.add(request, nowMs)
    this.#beginIfIdle(nowMs)
  }

  /** Drops a request wherever it is; its slot and KV are free at once. False when it had ended already. */
  abort(request: R): boolean {
    const sequence = this.#batch.remove(request)
    if (sequence !== undefined) {
      this.#giveBack(sequence)
    }
    return sequence !== undefined
  }

  /** Loads weights that were read from `adapter.path` and found good; `loaded` tells the end. */
  load(adapter: ModelAdapter, harm: Harm, nowMs: number): void {
    this.#loads.push({ adapter, harm })
    this.#beginIfIdle(nowMs)
  }

  /** In host memory from the start, for nothing. */
  preload(adapter: ModelAdapter): void {
    this.#hold(adapter.id, 'None')
  }

  /** Runs every step that ends by `nowMs`. */
  advance(nowMs: number): void {
    for (let state = this.#state; 'endMs' in state && state.endMs <= nowMs; state = this.#state) {
      this.#state = finishing
      if (state.state === 'Loading') {
        this.#finishLoad(state.load, state.endMs)
      } else {
        this.#finishStep(state.endMs)
      }
      if (this.#state === finishing) {
        this.#state = idle
        this.#begin(state.endMs)
      }
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
    this.#hold(id, outcome.harm)
    if (state.missing.size === 0) {
      this.#activate(this.#batch.activeAdapters, Math.max(state.startMs, nowMs), state.reads)
    }
  }

  /** EngineCore encountered an issue: everything in flight is lost. */
  kill(nowMs: number): void {
    if (this.#state.state !== 'Dead') {
      this.#state = { state: 'Dead' }
      this.#listener.died(this.#batch.clear(), nowMs)
    }
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
      this.#state = { state: 'Loading', endMs: nowMs + diskToHostMs + hostToSlotMs, load }
      return
    }
    this.#batch.admit()
    if (this.#batch.running.length > 0) {
      this.#readMissing(this.#batch.activeAdapters, nowMs)
    }
  }

  #hold(id: number, harm: Harm): void {
    this.#adapters.hold(id, harm)
    this.#settledVersion = -1
  }

  #readMissing(active: ReadonlyMap<number, ModelAdapter>, nowMs: number): void {
    if (this.#settledVersion === this.#batch.activeVersion) {
      this.#step(active.size, nowMs, 0, 0)
      return
    }
    const missing = [...active.values()].filter(({ id }) => !this.#adapters.inHost(id))
    if (missing.length === 0) {
      this.#activate(active, nowMs, 0)
      return
    }
    const ids = new Set(missing.map(({ id }) => id))
    this.#state = { state: 'Reading', startMs: nowMs, missing: ids, reads: missing.length }
    for (const adapter of missing) {
      this.#listener.readAdapter(adapter)
    }
  }

  #activate(active: ReadonlyMap<number, ModelAdapter>, nowMs: number, reads: number): void {
    let copies = 0
    for (const id of active.keys()) {
      copies += this.#adapters.activate(id) ? 1 : 0
    }
    if (copies === 0 && reads === 0) {
      this.#settledVersion = this.#batch.activeVersion
    }
    this.#step(active.size, nowMs, copies, reads)
  }

  /** One step: the formula of LatencyProfile, and the loading that has to happen inside. */
  #step(active: number, nowMs: number, copies: number, reads: number): void {
    const { profile, maxLoras } = this.#options
    const prefill = this.#batch.schedule()
    const durationMs =
      profile.stepMs +
      profile.perRequestMs * this.#batch.running.length +
      profile.perAdapterMs * active +
      (profile.perAdapterRequestMs ?? 0) * active * this.#batch.running.length +
      profile.perSlotMs * maxLoras +
      profile.perPrefillTokenMs * Math.max(0, prefill - profile.freePrefillTokens) +
      profile.hostToSlotMs * copies +
      profile.diskToHostMs * reads
    this.#state = { state: 'Stepping', endMs: nowMs + durationMs }
    this.#tellStarted(nowMs)
  }

  #tellStarted(nowMs: number): void {
    for (const sequence of this.#batch.running) {
      if (sequence.startedMs === undefined) {
        sequence.startedMs = nowMs
        sequence.garbled = this.#harmOf(sequence) === 'None' && this.#poison.take()
        this.#listener.started(sequence, nowMs)
      }
    }
  }

  #finishLoad({ adapter, harm }: Load, nowMs: number): void {
    this.#hold(adapter.id, harm)
    this.#adapters.activate(adapter.id)
    this.#listener.loaded(adapter, nowMs)
  }

  #finishStep(nowMs: number): void {
    for (const sequence of this.#batch.running) {
      // A listener may have aborted it since.
      if (sequence.scheduled > 0 && !sequence.hasLeft) {
        this.#compute(sequence, nowMs)
      }
    }
    this.#batch.sweep()
    this.#listener.stepped(nowMs)
  }

  #compute(sequence: BatchSequence<R>, nowMs: number): void {
    const progress = this.#batch.compute(sequence, nowMs)
    if (progress === 'Last') {
      this.#giveBack(sequence)
    }
    if (progress !== 'Prefill') {
      this.#listener.token(sequence, nowMs, progress === 'Last')
    }
  }

  #giveBack(sequence: BatchSequence<R>): void {
    if (sequence.startedMs !== undefined) {
      this.#poison.release(this.#harmOf(sequence))
    }
  }

  #harmOf({ request }: BatchSequence<R>): Harm {
    return request.adapter === undefined ? 'None' : this.#adapters.harmOf(request.adapter.id)
  }
}

import { readAdapter, type AdapterContent } from './adapter-content.ts'
import type { BaseModel } from './base-model.ts'
import { Generation, type GenerationListener, type GenerationSpec } from './generation.ts'
import { seededRandom } from './hash.ts'
import { EngineMetrics } from './metrics.ts'
import type { ModelAdapter, ModelGauges, ModelListener, Sequence } from './model-types.ts'
import { VllmModel } from './model.ts'
import type { SimulatorSettings } from './options.ts'

export interface EngineListener {
  /** The engine is dead; everything in flight was cut. */
  died(): void
}

export type EngineLoad =
  | { readonly outcome: 'Loaded' }
  | { readonly outcome: 'NotFound' }
  | { readonly outcome: 'Refused'; readonly message: string }
  | { readonly outcome: 'Dead' }

/**
 * The model run on a real clock: one timer, at the end of the present step. Reads adapters' files and knows what each
 * int id's weights say; names are the registry's business.
 */
export class SimulatedEngine implements ModelListener<Generation> {
  readonly #settings: SimulatorSettings
  readonly #base: BaseModel
  readonly #listener: EngineListener
  readonly #model: VllmModel<Generation>
  readonly #contents = new Map<number, AdapterContent>()
  readonly #loading = new Map<number, (load: EngineLoad) => void>()
  readonly #random: () => number
  #timer: NodeJS.Timeout | NodeJS.Immediate | undefined
  /** Undefined after anybody came or went. */
  #names: string | undefined
  readonly maxModelLen: number
  readonly hiddenSize: number
  readonly metrics: EngineMetrics
  /** Unix milliseconds: the start of the simulated process. */
  readonly startedAtMs = clockMs()

  constructor(settings: SimulatorSettings, base: BaseModel, listener: EngineListener) {
    this.#settings = settings
    this.#base = base
    this.#listener = listener
    this.#random = seededRandom(settings.seed)
    this.maxModelLen = settings.maxModelLen ?? base.maxPositions
    this.hiddenSize = base.hiddenSize
    const { profile, maxLoras, maxCpuLoras, maxRank, maxNumSeqs, maxNumBatchedTokens } = settings
    const slots = settings.enableLora ? maxLoras : 0
    const kvTokens = Math.max(
      this.maxModelLen,
      profile.kvTokens - profile.kvTokensPerSlotRank * slots * maxRank,
    )
    this.#model = new VllmModel(
      { profile, maxLoras, maxCpuLoras, maxNumSeqs, maxNumBatchedTokens, kvTokens },
      this,
    )
    this.metrics = new EngineMetrics({
      modelName: settings.servedModelNames[0] ?? '',
      maxLoras,
      kvTokens,
      maxModelLen: this.maxModelLen,
      startedAtSeconds: this.startedAtMs / 1000,
    })
  }

  get isDead(): boolean {
    return this.#model.isDead
  }

  get gauges(): ModelGauges {
    return this.#model.gauges
  }

  get model(): VllmModel<Generation> {
    return this.#model
  }

  /** Not yet submitted, so that the choices of one answer can all be known before the first of them has a token. */
  prepare(spec: GenerationSpec, listener: GenerationListener): Generation {
    return new Generation(spec, listener, this.#random)
  }

  submit(generations: readonly Generation[]): void {
    const now = clockMs()
    this.#model.advance(now)
    for (const generation of generations) {
      this.metrics.maxTokens.observe(generation.spec.maxTokens)
      this.#model.submit(generation, now)
    }
    this.#wakeAtNextEvent()
  }

  /** The client went away. */
  abort(generation: Generation): void {
    if (this.#model.abort(generation)) {
      this.#names = undefined
      this.metrics.finish('abort')
    }
  }

  /** Reads, checks and loads, as `add_lora` does; the engine stands still for as long as the profile says. */
  async load(
    adapter: ModelAdapter,
    options: { readonly withoutEffect: boolean },
  ): Promise<EngineLoad> {
    const read = await readAdapter(adapter.path, this.#base, this.#settings.maxRank)
    if (read.outcome !== 'Read') {
      return read
    }
    if (this.isDead) {
      return { outcome: 'Dead' }
    }
    const content = options.withoutEffect
      ? { ...read.content, voice: { voice: 'Base' } as const }
      : read.content
    this.#contents.set(adapter.id, content)
    return new Promise((resolve) => {
      this.#loading.set(adapter.id, resolve)
      const now = clockMs()
      this.#model.advance(now)
      this.#model.load(adapter, content.harm, now)
      this.#wakeAtNextEvent()
    })
  }

  /** Cuts everything in flight, telling each listener, and takes nothing more. */
  kill(): void {
    this.#model.kill(clockMs())
  }

  close(): void {
    this.#clearTimer()
  }

  started({ request, arrivedMs, startedMs, garbled, cachedTokens }: Sequence<Generation>): void {
    this.#names = undefined
    const id = request.adapter?.id
    request.start(id === undefined ? undefined : this.#contents.get(id), garbled, cachedTokens)
    this.metrics.queueTime.observe(((startedMs ?? arrivedMs) - arrivedMs) / 1000)
  }

  token(sequence: Sequence<Generation>, nowMs: number, last: boolean): void {
    const { request, generated } = sequence
    request.generated = generated
    this.metrics.generationTokens += 1
    if (generated === 1) {
      this.metrics.promptTokens += request.promptTokens
      this.metrics.cachedTokens += sequence.cachedTokens
      this.metrics.firstToken.observe((nowMs - sequence.arrivedMs) / 1000)
    } else {
      this.metrics.interToken.observe((nowMs - request.lastTokenMs) / 1000)
    }
    if (last) {
      this.#finished(sequence, nowMs)
    } else {
      request.lastTokenMs = nowMs
    }
    request.listener.token(request, generated - 1, last)
  }

  readAdapter(adapter: ModelAdapter): void {
    void this.#readAgain(adapter)
  }

  loaded(adapter: ModelAdapter): void {
    this.#loading.get(adapter.id)?.({ outcome: 'Loaded' })
    this.#loading.delete(adapter.id)
  }

  stepped(nowMs: number): void {
    this.metrics.stepTokens.observe(this.#model.running.length)
    this.metrics.noteAdapters(this.#runningNames(), nowMs / 1000)
  }

  /** Adapters that had tokens in the last step, as `lora_requests_info` lists them. */
  #runningNames(): string {
    if (this.#names === undefined) {
      const names = new Set<string>()
      for (const { request } of this.#model.running) {
        if (request.adapter !== undefined) {
          names.add(request.adapter.name)
        }
      }
      this.#names = [...names].join(',')
    }
    return this.#names
  }

  died(requests: readonly Generation[]): void {
    this.#clearTimer()
    for (const request of requests) {
      this.metrics.finish('error')
      request.listener.cut(request)
    }
    for (const resolve of this.#loading.values()) {
      resolve({ outcome: 'Dead' })
    }
    this.#loading.clear()
    this.#listener.died()
  }

  #finished(sequence: Sequence<Generation>, nowMs: number): void {
    const { request, generated, arrivedMs } = sequence
    const startedMs = sequence.startedMs ?? arrivedMs
    const firstTokenMs = sequence.firstTokenMs ?? nowMs
    this.#names = undefined
    this.metrics.finish(request.finishReason)
    this.metrics.promptLength.observe(request.promptTokens)
    this.metrics.outputLength.observe(generated)
    this.metrics.endToEnd.observe((nowMs - arrivedMs) / 1000)
    this.metrics.inferenceTime.observe((nowMs - startedMs) / 1000)
    this.metrics.prefillTime.observe((firstTokenMs - startedMs) / 1000)
    this.metrics.decodeTime.observe((nowMs - firstTokenMs) / 1000)
    if (generated > 1) {
      this.metrics.perOutputToken.observe((nowMs - firstTokenMs) / 1000 / (generated - 1))
    }
  }

  /** Host memory has no room for every registered adapter: vLLM reads the path again, in the middle of a step. */
  async #readAgain(adapter: ModelAdapter): Promise<void> {
    const read = await readAdapter(adapter.path, this.#base, this.#settings.maxRank)
    if (read.outcome === 'Read') {
      this.#contents.set(adapter.id, read.content)
      this.#model.adapterRead(adapter.id, { outcome: 'Read', harm: read.content.harm }, clockMs())
    } else {
      this.#model.adapterRead(adapter.id, { outcome: 'Failed' }, clockMs())
    }
    this.#wakeAtNextEvent()
  }

  #wakeAtNextEvent(): void {
    if (this.#timer !== undefined) {
      return
    }
    const next = this.#model.nextEventMs()
    if (next === undefined) {
      return
    }
    const delayMs = next - clockMs()
    this.#timer =
      delayMs <= 0 ? setImmediate(() => this.#wake()) : setTimeout(() => this.#wake(), delayMs)
  }

  #wake(): void {
    this.#timer = undefined
    this.#model.advance(clockMs())
    this.#wakeAtNextEvent()
  }

  #clearTimer(): void {
    if (this.#timer !== undefined) {
      clearTimeout(this.#timer as NodeJS.Timeout)
      clearImmediate(this.#timer as NodeJS.Immediate)
      this.#timer = undefined
    }
  }
}

/** Unix milliseconds with a fraction; never goes back. */
function clockMs(): number {
  return performance.timeOrigin + performance.now()
}

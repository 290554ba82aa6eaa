import type { EngineLoad, SimulatedEngine } from './engine.ts'
import type { Faults } from './faults.ts'
import type { ModelAdapter } from './model-types.ts'
import type { SimulatorSettings } from './options.ts'
import { engineDead, type ErrorInfo } from './http/wire.ts'

export type LoraAnswer =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly error: ErrorInfo }

/**
 * The names the front end knows. Unloading forgets a name and nothing else: the weights stay in the engine until they
 * are the least recently used, and loading the name again makes a second copy under a new id.
 */
export class AdapterRegistry {
  readonly #settings: SimulatorSettings
  readonly #engine: SimulatedEngine
  readonly #faults: Faults
  readonly #adapters = new Map<string, ModelAdapter>()
  /** One load or unload at a time for one name, as vLLM's lock has it. */
  readonly #locks = new Map<string, Promise<unknown>>()
  #lastId = 0
  isDraining = false

  constructor(settings: SimulatorSettings, engine: SimulatedEngine, faults: Faults) {
    this.#settings = settings
    this.#engine = engine
    this.#faults = faults
  }

  get adapters(): readonly ModelAdapter[] {
    return [...this.#adapters.values()]
  }

  find(name: string): ModelAdapter | undefined {
    return this.#adapters.get(name)
  }

  load(name: string, path: string, inPlace: boolean): Promise<LoraAnswer> {
    return this.#locked(name, () => this.#load(name, path, inPlace))
  }

  unload(name: string): Promise<LoraAnswer> {
    return this.#locked(name, () => Promise.resolve(this.#unload(name)))
  }

  async #load(name: string, path: string, inPlace: boolean): Promise<LoraAnswer> {
    const refusal = this.#checkLoad(name, path, inPlace)
    if (refusal !== undefined) {
      return failed(400, 'InvalidUserInput', refusal)
    }
    const slow = this.#faults.take('LoadSlow', name)
    if (slow !== undefined) {
      await new Promise((resolve) => setTimeout(resolve, slow.delayMs))
    }
    const fault = this.#faults.take('LoadFails', name)
    if (fault !== undefined) {
      return failed(fault.status, fault.type, fault.message)
    }
    const withoutEffect = this.#faults.take('LoadWithoutEffect', name) !== undefined
    return this.#addLora({ id: ++this.#lastId, name, path }, withoutEffect)
  }

  async #addLora(adapter: ModelAdapter, withoutEffect: boolean): Promise<LoraAnswer> {
    const { name, path } = adapter
    if (this.#engine.isDead) {
      return { ok: false, error: engineDead }
    }
    if (this.isDraining) {
      return failed(500, 'InternalServerError', 'Server shutting down')
    }
    const load: EngineLoad = this.#settings.enableLora
      ? await this.#engine.load(adapter, { withoutEffect })
      : { outcome: 'Refused', message: 'LoRA is not enabled. Use --enable-lora to enable LoRA.' }
    switch (load.outcome) {
      case 'Loaded':
        this.#adapters.set(name, adapter)
        return { ok: true, text: `Success: LoRA adapter '${name}' added successfully.` }
      case 'NotFound':
        return failed(
          404,
          'NotFoundError',
          `Loading lora ${name} failed: No adapter found for ${path}`,
        )
      case 'Refused':
        return failed(
          500,
          'InternalServerError',
          `Call to add_lora method failed: Worker failed with error '${load.message}', please check the stack trace above for the root cause`,
        )
      case 'Dead':
        return { ok: false, error: engineDead }
      default:
        return load satisfies never
    }
  }

  #checkLoad(name: string, path: string, inPlace: boolean): string | undefined {
    if (name === '' || path === '') {
      return "Both 'lora_name' and 'lora_path' must be provided."
    }
    if (this.#settings.servedModelNames.includes(name)) {
      return `The lora adapter '${name}' conflicts with a served base model.`
    }
    if (!inPlace && this.#adapters.has(name)) {
      return `The lora adapter '${name}' has already been loaded. If you want to load the adapter in place, set 'load_inplace' to True.`
    }
    return undefined
  }

  #unload(name: string): LoraAnswer {
    if (name === '') {
      return failed(
        400,
        'InvalidUserInput',
        "'lora_name' needs to be provided to unload a LoRA adapter.",
      )
    }
    return this.#adapters.delete(name)
      ? { ok: true, text: `Success: LoRA adapter '${name}' removed successfully.` }
      : failed(404, 'NotFoundError', `The lora adapter '${name}' cannot be found.`)
  }

  async #locked<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.#locks.get(name) ?? Promise.resolve()
    const mine = before.then(work, work)
    this.#locks.set(name, mine)
    try {
      return await mine
    } finally {
      if (this.#locks.get(name) === mine) {
        this.#locks.delete(name)
      }
    }
  }
}

function failed(status: number, type: string, message: string): LoraAnswer {
  return { ok: false, error: { status, type, message, param: null } }
}

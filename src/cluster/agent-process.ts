import type { FastifyInstance } from 'fastify'
import { createAgent } from '../agent/agent.ts'
import { BaseCourier } from '../agent/base-courier.ts'
import { systemClock } from '../agent/clock.ts'
import type { Agent } from '../agent/options.ts'
import { createAgentMetrics } from '../agent/server/agent-metrics.ts'
import { createAgentServer } from '../agent/server/agent-server.ts'
import { headersOf } from '../artifacts/base-headers.ts'
import { ContentStore } from '../artifacts/content-store.ts'
import { tarOf } from '../artifacts/depot/adapter-tar.ts'
import { DepotSource } from '../artifacts/depot-source.ts'
import { createEndpointEngine } from '../engine/endpoint-backend.ts'
import { createEngineClient } from '../engine/http-client.ts'
import type { Engine } from '../engine/types.ts'
import { listen, urlOf } from '../telemetry/listen.ts'
import type { ServiceLogger } from '../telemetry/logger.ts'
import { baseKeyOf } from '../wire/depot-protocol.ts'
import { FileCollector } from './file-collector.ts'

export interface AgentProcessOptions {
  /** `replicaNameOf` of its pod. */
  readonly replica: string
  readonly poolKey: string
  readonly token: string
  readonly host: string
  readonly port: number
  readonly engine: { readonly url: string; readonly apiKey: string | undefined }
  readonly servedModelName: string
  readonly maxLoras: number
  readonly maxCpuLoras: number
  readonly maxStreamMs: number
  /** For one start of the engine. */
  readonly startupTimeoutMs: number
  readonly adaptersFolder: string
  readonly depot: { readonly url: string; readonly token: string }
  readonly model: { readonly uri: string; readonly path: string }
  readonly logger: ServiceLogger
}

/** For the kubelet to see that the engine has to be restarted, and for its container to end. */
const restartLimitMs = 600_000
const enginePollMs = 500

/** One agent beside one engine: what `loraplex agent` runs. */
export class AgentProcess {
  readonly agent: Agent
  readonly #engine: Engine
  readonly #server: FastifyInstance
  readonly #close: () => Promise<void>

  private constructor(
    agent: Agent,
    engine: Engine,
    server: FastifyInstance,
    close: () => Promise<void>,
  ) {
    this.agent = agent
    this.#engine = engine
    this.#server = server
    this.#close = close
  }

  /** @throws UserError where its port is taken. */
  static async start(options: AgentProcessOptions): Promise<AgentProcess> {
    const { logger, host, port } = options
    const restart: { reason: string | undefined } = { reason: undefined }
    const engine = engineOf(options, restart)
    const depot = new DepotSource({ ...options.depot, poolKey: options.poolKey })
    const store = await ContentStore.open(options.adaptersFolder)
    const agent = agentOf(options, engine, store, depot)
    const courier = courierOf(options, depot)
    const registry = createAgentMetrics(agent)
    const server = await createAgentServer({
      agent,
      token: options.token,
      logger,
      registry,
      restartWanted: () => restart.reason,
    })
    await listen(server, host, port, '--port')
    engine.start()
    agent.start()
    courier.start()
    const collector = new FileCollector({
      agent,
      store,
      logger,
      registry,
    })
    const close = async (): Promise<void> => {
      await collector.close()
      await courier.close()
      await agent.close()
      await engine.stop(0)
      await Promise.all([server.close(), depot.close()])
    }
    return new AgentProcess(agent, engine, server, close)
  }

  get url(): string {
    return urlOf(this.#server)
  }

  /** Tells its state for as long as the engine is there, so that its last streams end well; then ends. */
  async stop(limitMs: number, now: AbortSignal): Promise<void> {
    void this.agent.drain()
    await engineGone(this.#engine, limitMs, now)
    await this.#close()
  }
}

function engineOf(options: AgentProcessOptions, restart: { reason: string | undefined }): Engine {
  return createEndpointEngine({
    name: options.replica,
    address: options.engine,
    servedModelName: options.servedModelName,
    adapterRoot: undefined,
    pollMs: enginePollMs,
    // The engine's liveness probe asks us; the kubelet does it.
    restarter: {
      limitMs: restartLimitMs + options.startupTimeoutMs,
      want: (reason) => {
        restart.reason = reason
      },
      settled: () => {
        restart.reason = undefined
      },
    },
  })
}

function agentOf(
  options: AgentProcessOptions,
  engine: Engine,
  store: ContentStore,
  depot: DepotSource,
): Agent {
  return createAgent({
    replica: options.replica,
    engine,
    createClient: createEngineClient,
    adapters: {
      get: (digest) => store.get(digest),
      fetch: (digest, signal) => depot.pull(digest, store, signal),
    },
    maxLoras: options.maxLoras,
    maxCpuLoras: options.maxCpuLoras,
    logger: options.logger,
    times: { drainLimitMs: options.maxStreamMs },
  })
}

function courierOf(options: AgentProcessOptions, depot: DepotSource): BaseCourier {
  const { poolKey, model, logger } = options
  const key = baseKeyOf(poolKey, model.uri)
  return new BaseCourier({
    clock: systemClock,
    logger,
    isThere: (signal) => depot.hasBase(key, signal),
    read: async () => {
      const files = await headersOf(model.path)
      return files.length === 0 ? undefined : tarOf(files)
    },
    send: (tar, signal) => depot.sendBase(key, tar, signal),
  })
}

async function engineGone(engine: Engine, limitMs: number, now: AbortSignal): Promise<void> {
  const gone = Promise.withResolvers<void>()
  const timer = setTimeout(gone.resolve, limitMs)
  const onNow = (): void => gone.resolve()
  now.addEventListener('abort', onNow)
  const unwatch = engine.watch((state) => {
    if (state.state !== 'Ready') {
      gone.resolve()
    }
  })
  if (now.aborted) {
    gone.resolve()
  }
  await gone.promise
  unwatch()
  now.removeEventListener('abort', onNow)
  clearTimeout(timer)
}

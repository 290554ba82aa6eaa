import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import type { Registry } from 'prom-client'
import { createProcessServer } from '../../wire/process-server.ts'
import type { Agent } from '../options.ts'
import { controlRoutes } from './control-routes.ts'
import { DrainDesk } from './drain-desk.ts'
import { podRoutes } from './pod-routes.ts'

export interface AgentServerOptions {
  readonly agent: Agent
  /** `agentToken` of the pool. */
  readonly token: string
  readonly logger: FastifyBaseLogger
  readonly registry: Registry
  /** Why the engine's container has to be restarted; undefined while it need not be. */
  readonly restartWanted: () => string | undefined
  readonly streams?: { readonly keepAliveMs?: number; readonly maxBufferedBytes?: number }
}

/** An agent's one port: orders with the pool's token, the pod's probes without. */
export async function createAgentServer(options: AgentServerOptions): Promise<FastifyInstance> {
  const app = createProcessServer({
    logger: options.logger,
    bodyLimit: 64 * 1024,
    requestTimeoutMs: 30_000,
  })
  const drains = new DrainDesk(options.agent)
  await app.register(podRoutes, { ...options, drains })
  await app.register(controlRoutes, { ...options, drains })
  await app.ready()
  return app
}

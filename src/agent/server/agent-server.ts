import type { FastifyInstance } from 'fastify'
import { createProcessServer } from '../../wire/process-server.ts'
import type { AgentServerOptions } from './agent-server-options.ts'
import { controlRoutes } from './control-routes.ts'
import { DrainDesk } from './drain-desk.ts'
import { podRoutes } from './pod-routes.ts'

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

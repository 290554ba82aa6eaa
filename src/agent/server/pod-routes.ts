import type { FastifyInstance } from 'fastify'
import { preStopPath } from '../../wire/pre-stop.ts'
import type { AgentServerOptions } from './agent-server-options.ts'
import type { DrainDesk } from './drain-desk.ts'

interface PodRoutesOptions extends AgentServerOptions {
  readonly drains: DrainDesk
}

/** What the kubelet and Prometheus ask, without a token. */
export async function podRoutes(app: FastifyInstance, options: PodRoutesOptions): Promise<void> {
  const { agent, drains, registry, restartWanted } = options
  app.get('/healthz', (_request, reply) => reply.send({ status: 'ok' }))
  app.get('/readyz', (_request, reply) => {
    const { ready, detail } = agent.snapshot()
    return reply.code(ready ? 200 : 503).send({ status: ready ? 'ready' : 'not ready', detail })
  })
  app.get('/metrics', async (_request, reply) =>
    reply.type(registry.contentType).send(await registry.metrics()),
  )
  app.get('/engine-alive', (_request, reply) => {
    const reason = restartWanted()
    return reason === undefined
      ? reply.send({ status: 'ok' })
      : reply.code(503).send({ status: 'restart', reason })
  })
  app.get(preStopPath(options.token), async (_request, reply) => {
    // The kubelet ends the container because we asked for it: its requests have ended, and the pod stays.
    if (restartWanted() === undefined) {
      undoAtNextEngine(options)
      await drains.drainToEnd()
    }
    return reply.send({ status: 'drained' })
  })
}

/** A container that is ended and started again in the same pod has nobody to take its drain back. */
function undoAtNextEngine({ agent, drains }: PodRoutesOptions): void {
  const before = agent.snapshot().engineProcess
  const unwatch = agent.watchState((message) => {
    if (
      message.type === 'hello' &&
      message.engineProcess !== '' &&
      message.engineProcess !== before
    ) {
      queueMicrotask(() => {
        unwatch()
        drains.engineIsNew()
      })
    }
  })
}

import type { FastifyInstance } from 'fastify'
import { desiredRequest, leaseRequest } from '../../api/agent-protocol.ts'
import {
  agentRoutes,
  drainPollMs,
  replicaHeader,
  type DrainAnswer,
} from '../../wire/agent-routes.ts'
import { showsToken } from '../../wire/internal-auth.ts'
import { parseBody } from '../../wire/parse-body.ts'
import type { AgentServerOptions } from './agent-server-options.ts'
import type { DrainDesk } from './drain-desk.ts'
import { StateStream } from './state-stream.ts'

interface ControlRoutesOptions extends AgentServerOptions {
  readonly drains: DrainDesk
}

/** A catalogue of 20,000 entries has about 4 MiB. */
const desiredLimit = 8 * 1024 * 1024
const leaseLimit = 2 * 1024 * 1024

/** Orders of controller and gateways: with the pool's token, and to the replica they mean. */
export async function controlRoutes(
  app: FastifyInstance,
  options: ControlRoutesOptions,
): Promise<void> {
  const { agent, token, drains } = options
  app.addHook('onRequest', async (request, reply) => {
    if (!showsToken(request.headers.authorization, token)) {
      return reply.code(401).send({ error: 'the token is not this pool’s' })
    }
    const meant = request.headers[replicaHeader]
    if (meant !== undefined && meant !== agent.replica) {
      return reply.code(421).send({ error: 'this is another replica' })
    }
    return undefined
  })
  app.put(agentRoutes.desired, { bodyLimit: desiredLimit }, async (request, reply) => {
    const desired = parseBody(desiredRequest, request.body, reply)
    return desired === undefined ? reply : agent.setDesired(desired)
  })
  app.post(agentRoutes.lease, { bodyLimit: leaseLimit }, async (request, reply) => {
    const lease = parseBody(leaseRequest, request.body, reply)
    return lease === undefined ? reply : agent.lease(lease)
  })
  app.post<{ Params: { revision: string } }>('/v1/adapters/:revision/ensure', (request) =>
    agent.ensure(request.params.revision),
  )
  app.post(agentRoutes.drain, async (): Promise<DrainAnswer> => {
    const outcome = await drains.outcomeWithin(drainPollMs)
    return { drained: outcome === 'Drained', takenBack: outcome === 'TakenBack' }
  })
  app.delete(agentRoutes.drain, async () => {
    drains.undo()
    return {}
  })
  app.get(agentRoutes.state, (_request, reply) => {
    reply.hijack()
    reply.raw.writeHead(200, { 'content-type': 'application/x-ndjson' })
    void new StateStream(agent, reply.raw, options.streams)
  })
}

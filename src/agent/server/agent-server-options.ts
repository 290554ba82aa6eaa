import type { FastifyBaseLogger } from 'fastify'
import type { Registry } from 'prom-client'
import type { Agent } from '../options.ts'

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

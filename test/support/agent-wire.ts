// An agent bench behind its HTTP server, with a link to it.
import type { AddressInfo } from 'node:net'
import { pino } from 'pino'
import { createAgentMetrics } from '../../src/agent/server/agent-metrics.ts'
import { createAgentServer } from '../../src/agent/server/agent-server.ts'
import { createAgentLink, type AgentLinkOptions } from '../../src/wire/agent-link.ts'
import type { AgentBench } from './agent-bench.ts'

export const wireToken = 'token-of-the-pool'

export interface WiredAgent extends AsyncDisposable {
  readonly url: string
  readonly port: number
  /** Why `/engine-alive` says no. */
  restartWanted: string | undefined
  link(options?: Partial<AgentLinkOptions>): ReturnType<typeof createAgentLink>
  /** The server alone; the agent goes on. */
  stop(): Promise<void>
}

export async function wire(bench: Pick<AgentBench, 'agent'>, port = 0): Promise<WiredAgent> {
  const links: ReturnType<typeof createAgentLink>[] = []
  const server = await createAgentServer({
    agent: bench.agent,
    token: wireToken,
    logger: pino({ level: 'silent' }),
    registry: createAgentMetrics(bench.agent),
    restartWanted: () => wired.restartWanted,
    streams: { maxBufferedBytes: 64 * 1024 },
  })
  await server.listen({ host: '127.0.0.1', port })
  const taken = (server.server.address() as AddressInfo).port
  const url = `http://127.0.0.1:${taken}`
  const wired: WiredAgent = {
    url,
    port: taken,
    restartWanted: undefined,
    link: (options = {}) => {
      const link = createAgentLink({
        replica: bench.agent.replica,
        url,
        token: wireToken,
        lostAfterMs: 200,
        firstRetryMs: 20,
        lastRetryMs: 100,
        ...options,
      })
      links.push(link)
      return link
    },
    stop: () => server.close(),
    [Symbol.asyncDispose]: async () => {
      await Promise.all(links.map((link) => link.close()))
      await server.close()
    },
  }
  return wired
}

/** Simulated engines with their agents, as many as are wanted at a time, in one process: `{adapters, engine}`. */
import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import { createAgent } from '../../src/agent/agent.ts'
import { silentLogger } from '../../src/agent/logger.ts'
import type { Agent } from '../../src/agent/options.ts'
import { revisionOf } from '../../src/api/names.ts'
import { createEngineClient } from '../../src/engine/http-client.ts'
import { wire } from './agent-wire.ts'
import {
  livePoolKey,
  obey,
  type BedAnswer,
  type LiveAdapter,
  type LiveEngine,
} from './live-orders.ts'
import { SimulatorEngine } from './simulator-engine.ts'

const { adapters, engine: settings } = JSON.parse(process.argv[2] ?? '{}') as {
  readonly adapters: readonly LiveAdapter[]
  readonly engine: LiveEngine
}
const shelf = new Map(adapters.map((adapter) => [adapter.digest, adapter]))
const ends = new Map<string, () => Promise<void>>()
const agents = new Map<string, Agent>()

async function join(name: string): Promise<BedAnswer> {
  const { maxLoraRank, ...limits } = settings
  const { maxLoras, maxCpuLoras } = limits
  const engine = new SimulatorEngine({ ...limits, maxRank: maxLoraRank })
  await engine.boot()
  const agent = createAgent({
    replica: name,
    engine,
    createClient: (address) => createEngineClient(address),
    adapters: { get: (digest) => Promise.resolve(shelf.get(digest)) },
    maxLoras,
    maxCpuLoras,
    logger: silentLogger,
  })
  agent.start()
  const entries = adapters.map(({ digest, sizeBytes }) => {
    const revision = revisionOf(livePoolKey, digest)
    return { revision, digest, want: 'Loaded' as const, sizeBytes }
  })
  await agent.setDesired({ term: 1, sequence: 1, entries })
  const isLoaded = (): boolean =>
    entries.every(({ revision }) => agent.snapshot().residency.get(revision)?.state === 'Routable')
  while (!agent.snapshot().ready || !isLoaded()) {
    await delay(20)
  }
  const wired = await wire({ agent })
  agents.set(name, agent)
  ends.set(name, async () => {
    await agent.drain()
    agents.delete(name)
    await wired[Symbol.asyncDispose]()
    await agent.close()
    await engine.stop()
  })
  return {
    replica: {
      name,
      poolKey: livePoolKey,
      poolRevision: '1',
      servedModelName: engine.servedModelName,
      engineUrl: engine.address.url,
      agentUrl: wired.url,
    },
  }
}

obey(async (order) => {
  switch (order.kind) {
    case 'Join':
      return join(order.name)
    case 'Leave':
      await ends.get(order.name)?.()
      ends.delete(order.name)
      return {}
    case 'Look': {
      const slots = [...agents.values()].map((agent) => agent.snapshot().slots)
      return {
        held: slots.reduce((sum, { used }) => sum + used, 0),
        waiting: slots.reduce((sum, { waiting }) => sum + waiting, 0),
      }
    }
    case 'Replicas':
      return {}
    default:
      return order satisfies never
  }
})

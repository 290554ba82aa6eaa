import { collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { addGauge } from '../../telemetry/add-gauge.ts'
import type { LoadMessage, ResidencyState } from '../../api/agent-protocol.ts'
import type { Agent } from '../options.ts'

const states: readonly ResidencyState['state'][] = [
  'OnDisk',
  'Loading',
  'Loaded',
  'Routable',
  'Retired',
  'Failed',
]

/** One replica in figures. The pod's labels say which pool it is of; no label here names an adapter. */
export function createAgentMetrics(agent: Agent): Registry {
  const registry = new Registry()
  let load: LoadMessage | undefined
  agent.watchState((message) => {
    load = message.type === 'load' ? message : load
  })
  const gauge = (name: string, help: string, value: () => number): void => {
    addGauge(registry, `loraplex_replica_${name}`, help, value)
  }
  gauge('ready', '1 while it takes requests.', () => (agent.snapshot().ready ? 1 : 0))
  gauge('draining', '1 while it takes nothing new.', () => (agent.snapshot().draining ? 1 : 0))
  gauge('slots', 'Adapters that may run at once.', () => agent.snapshot().slots.total)
  gauge('slots_used', 'Slots that are leased.', () => agent.snapshot().slots.used)
  gauge('slots_waiting', 'Leases that wait for a slot.', () => agent.snapshot().slots.waiting)
  gauge('engine_running', 'Requests that the engine runs.', () => load?.running ?? 0)
  gauge('engine_waiting', 'Requests that wait in the engine.', () => load?.waiting ?? 0)
  gauge('kv_cache_usage', 'Part of the KV cache in use, 0 to 1.', () => load?.kvCacheUsage ?? 0)
  const hostCache = agent.snapshot().hostCache
  gauge('host_cache_adapters', 'Places of the host cache.', () => hostCache.capacity)
  gauge('host_cache_ghosts', 'Places that unloaded adapters take.', () => ghostsOf(agent))
  residencyGauge(agent, registry)
  collectDefaultMetrics({ register: registry })
  return registry
}

function ghostsOf(agent: Agent): number {
  return agent.snapshot().hostCache.ghosts
}

function residencyGauge(agent: Agent, registry: Registry): void {
  void new Gauge({
    name: 'loraplex_replica_adapters',
    help: 'Revisions by what this replica has of them.',
    labelNames: ['state'],
    registers: [registry],
    collect() {
      const residencies = [...agent.snapshot().residency.values()]
      for (const state of states) {
        this.set({ state }, residencies.filter((one) => one.state === state).length)
      }
    },
  })
}

/** A gateway as a cluster runs it, but for who tells it of adapters and replicas: `{adapters}`. */
import type { AddressInfo } from 'node:net'
import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import { pino } from 'pino'
import { revisionOf } from '../../src/api/names.ts'
import { ReplicaDirectory } from '../../src/cluster/replica-directory.ts'
import type { ReplicaDescription } from '../../src/cluster/replica-pods.ts'
import { buildRoutingTable } from '../../src/core/resolve.ts'
import { Gateway } from '../../src/gateway/gateway.ts'
import { createGatewayServer } from '../../src/gateway/server.ts'
import { createAgentLink } from '../../src/wire/agent-link.ts'
import { wireToken } from './agent-wire.ts'
import { aKey, anAdapter, anAdapterStatus, aPool, aSnapshot, aTenant } from './builders.ts'
import { livePoolKey, obey, type LiveAdapter } from './live-orders.ts'

const { adapters } = JSON.parse(process.argv[2] ?? '{}') as {
  readonly adapters: readonly LiveAdapter[]
}
const digests = new Map(adapters.map(({ tenant, name, digest }) => [`${tenant}/${name}`, digest]))
const directory = new ReplicaDirectory(Buffer.from('a secret'), (options) =>
  createAgentLink({ ...options, token: wireToken }),
)
const gateway = new Gateway({ saltSecret: Buffer.from('salt of a test') })
gateway.setTable(
  buildRoutingTable({
    snapshot: aSnapshot([
      aPool('llama'),
      ...adapters.flatMap(({ tenant, name }) => [
        aTenant(tenant),
        aKey(tenant).in(tenant),
        anAdapter(name).in(tenant),
      ]),
    ]),
    statusOf: (key) => anAdapterStatus({ active: revisionOf(livePoolKey, digests.get(key) ?? '') }),
  }),
)
const server = await createGatewayServer({
  gateway,
  logger: pino({ level: 'error' }, process.stderr),
  unknownFields: 'Drop',
})
await server.listen({ host: '127.0.0.1', port: 0 })

async function setReplicas(replicas: readonly ReplicaDescription[]): Promise<void> {
  gateway.setReplicas(directory.replicas(replicas))
  const isReady = (): boolean =>
    gateway.views().every((view) => view.ready && [...view.routable()].length === adapters.length)
  // One that drains meanwhile is never ready again: it will be taken off the list.
  for (let waitedMs = 0; !isReady() && waitedMs < 5000; waitedMs += 20) {
    await delay(20)
  }
}

obey(async (order) => {
  if (order.kind === 'Replicas') {
    await setReplicas(order.replicas)
  }
  const { queued, inFlight } = gateway
  const { port } = server.server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, queued, inFlight: inFlight - queued }
})

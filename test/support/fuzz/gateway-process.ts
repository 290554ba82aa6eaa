/** A gateway and its HTTP server in a process of their own, with a meter on its thread: `ENGINE_URL ARRIVAL_JSON`. */
import type { AddressInfo } from 'node:net'
import process from 'node:process'
import { pino } from 'pino'
import { buildRoutingTable } from '../../../src/core/resolve.ts'
import { Gateway } from '../../../src/gateway/gateway.ts'
import { createGatewayServer } from '../../../src/gateway/server.ts'
import { aKey, anAdapter, anAdapterStatus, aPool, aSnapshot, aTenant } from '../builders.ts'
import { revisionFor } from '../gateway-bed.ts'
import { ScriptedAgent } from '../scripted-agent.ts'
import { StepMeter, type LongStep } from './step-meter.ts'

export interface GatewayReport {
  readonly pid: number
  readonly rssMb: number
  readonly inFlight: number
  readonly turns: number
  readonly longest: readonly LongStep[]
  /** What was logged as an error: a bug each. */
  readonly errors: number
}

const [engineUrl = '', arrival = '{}', maxStrangers = '4096'] = process.argv.slice(2)
const meter = new StepMeter()
let errors = 0
const gateway = new Gateway({ saltSecret: Buffer.from('salt of a test') })
const server = await createGatewayServer({
  gateway,
  logger: pino(
    { level: 'error' },
    {
      write: (line: string) => {
        errors += 1
        process.stderr.write(line)
      },
    },
  ),
  arrival: JSON.parse(arrival) as object,
  maxStrangers: Number(maxStrangers),
})
const texts = aPool('llama')
const vectors = aPool('vectors')
const task = { model: { ...vectors.build().spec.model, task: 'Embed' } }
gateway.setTable(
  buildRoutingTable({
    snapshot: aSnapshot([
      texts,
      vectors.with(task),
      aTenant('acme').withModels({
        'llama-b': 'ModelPool models/llama',
        'vectors-base': 'ModelPool models/vectors',
      }),
      aKey('acme').in('acme'),
      anAdapter('tickets').in('acme'),
    ]),
    statusOf: (key) => anAdapterStatus({ active: revisionFor(key) }),
  }),
)
const agents = {
  'models/llama': new ScriptedAgent('r0'),
  'models/vectors': new ScriptedAgent('r1'),
}
gateway.setReplicas(
  Object.entries(agents).map(([poolKey, link]) => ({
    name: link.replica,
    poolKey,
    servedModelName: `lpx-base-${link.replica}`,
    address: () => ({ url: engineUrl, apiKey: 'engine-key' }),
    link,
  })),
)
for (const agent of Object.values(agents)) {
  agent.up('process 0')
  agent.routable(revisionFor('acme/tickets'))
}
await server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 })

process.on('message', (word: 'report' | 'meter' | 'reset' | 'end') => {
  if (word === 'meter') {
    meter.start()
  } else if (word === 'reset') {
    meter.reset()
  } else if (word === 'report') {
    process.send?.({
      pid: process.pid,
      rssMb: Math.round(process.memoryUsage.rss() / 1024 / 1024),
      inFlight: gateway.inFlight,
      turns: meter.turns,
      longest: meter.longest(),
      errors,
    } satisfies GatewayReport)
  } else {
    process.exit(0)
  }
})
process.on('disconnect', () => process.exit(0))
process.send?.({ port: (server.server.address() as AddressInfo).port })

import { fileURLToPath } from 'node:url'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { pino, type Logger } from 'pino'
import { request } from 'undici'
import { engineNameOf, revisionOf } from '../../src/api/names.ts'
import { buildRoutingTable } from '../../src/core/resolve.ts'
import { Gateway, type GatewayOptions } from '../../src/gateway/gateway.ts'
import type { GatewayReplica } from '../../src/gateway/replica-view.ts'
import { createGatewayServer } from '../../src/gateway/server.ts'
import type { SimulatorOptions } from '../../src/sim/options.ts'
import { startSimulator, type Simulator } from '../../src/sim/server.ts'
import type { LoraAdapterStatus } from '../../src/api/condition.ts'
import {
  aKey,
  anAdapter,
  anAdapterStatus,
  aPool,
  aSnapshot,
  aTenant,
  secretOf,
} from './builders.ts'
import { ScriptedAgent } from './scripted-agent.ts'

const poolKey = 'models/llama'
const servedModelName = 'lpx-base-0123456789abcdef'
const engineKey = 'engine-key'

/** The adapters of the test tenants, by key; each is loaded on every engine under the name of its revision. */
const fixtureOf: Readonly<Record<string, string>> = {
  'acme/tickets': 'acme-tickets',
  'globex/shout': 'globex-shout',
  'initech/initials': 'initech-initials',
}

export interface BedOptions {
  readonly replicas?: number
  readonly simulator?: SimulatorOptions
  readonly gateway?: Partial<GatewayOptions>
  readonly unknownFields?: 'Drop' | 'Reject'
  readonly bodyLimit?: number
  readonly logger?: Logger
  readonly objects?: Parameters<typeof aSnapshot>[0]
  readonly statuses?: Readonly<Record<string, LoraAdapterStatus>>
}

export interface BedReplica {
  readonly name: string
  readonly agent: ScriptedAgent
  engine: Simulator
}

/**
 * A gateway with its HTTP server in front of simulated engines, in this process: tenants acme, globex and initech with a
 * key and an adapter each, and agents that say what the test wants. Nothing waits for a disk.
 */
export class GatewayBed {
  readonly gateway: Gateway
  readonly server: FastifyInstance
  readonly replicas: readonly BedReplica[]
  readonly #options: BedOptions

  private constructor(
    gateway: Gateway,
    server: FastifyInstance,
    replicas: readonly BedReplica[],
    options: BedOptions,
  ) {
    this.gateway = gateway
    this.server = server
    this.replicas = replicas
    this.#options = options
  }

  static async start(options: BedOptions = {}): Promise<GatewayBed> {
    const replicas = await Promise.all(
      Array.from({ length: options.replicas ?? 1 }, async (_, at): Promise<BedReplica> => {
        const agent = new ScriptedAgent(`r${at}`)
        return { name: agent.replica, agent, engine: await startEngine(options) }
      }),
    )
    const gateway = new Gateway({ saltSecret: Buffer.from('salt of a test'), ...options.gateway })
    const server = await createGatewayServer({
      gateway,
      logger: options.logger ?? pino({ level: 'silent' }),
      unknownFields: options.unknownFields ?? 'Drop',
      ...(options.bodyLimit === undefined ? {} : { bodyLimit: options.bodyLimit }),
    })
    await server.listen({ host: '127.0.0.1', port: 0 })
    const bed = new GatewayBed(gateway, server, replicas, options)
    bed.setObjects(options.objects ?? tenants, options.statuses)
    bed.listReplicas(replicas)
    for (const [at, { agent }] of replicas.entries()) {
      agent.up(`process ${at}`)
      agent.routable(...Object.keys(fixtureOf).map(revisionFor))
    }
    return bed
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  get port(): number {
    return (this.server.server.address() as AddressInfo).port
  }

  /** The first replica's engine. */
  get engine(): Simulator {
    const [first] = this.replicas
    if (first === undefined) {
      throw new Error('this bed has no engine')
    }
    return first.engine
  }

  get agent(): ScriptedAgent {
    const [first] = this.replicas
    if (first === undefined) {
      throw new Error('this bed has no agent')
    }
    return first.agent
  }

  setObjects(
    objects: Parameters<typeof aSnapshot>[0],
    statuses: Readonly<Record<string, LoraAdapterStatus>> = {},
  ): void {
    this.gateway.setTable(
      buildRoutingTable({
        snapshot: aSnapshot(objects),
        statusOf: (key) => statuses[key] ?? anAdapterStatus({ active: revisionFor(key) }),
      }),
    )
  }

  readonly #listed = new Map<BedReplica, GatewayReplica>()

  listReplicas(replicas: readonly BedReplica[]): void {
    this.gateway.setReplicas(
      replicas.map((replica) => {
        const listed = this.#listed.get(replica) ?? {
          name: replica.name,
          poolKey,
          servedModelName,
          address: () => ({ url: replica.engine.url, apiKey: engineKey }),
          link: replica.agent,
        }
        this.#listed.set(replica, listed)
        return listed
      }),
    )
  }

  /** All replicas again, as if each were another than before. */
  relistReplicas(): void {
    this.#listed.clear()
    this.listReplicas(this.replicas)
  }

  /** A new engine process in a replica's place, as after a crash. */
  async restart(replica: BedReplica, engineProcess: string): Promise<void> {
    await replica.engine.close()
    replica.engine = await startEngine(this.#options)
    replica.agent.up(engineProcess)
    replica.agent.routable(...Object.keys(fixtureOf).map(revisionFor))
  }

  async close(): Promise<void> {
    await this.gateway.close()
    await this.server.close()
    await Promise.all(this.replicas.map(({ engine }) => engine.close()))
  }
}

/** Everything the bed knows unless a test says otherwise. */
export const tenants = [
  aPool('llama'),
  aTenant('acme').withModels({ 'llama-base': 'ModelPool models/llama' }),
  aTenant('globex').withModels({ 'llama-base': 'ModelPool models/llama' }),
  aTenant('initech'),
  aKey('acme').in('acme'),
  aKey('globex').in('globex'),
  aKey('initech').in('initech'),
  anAdapter('tickets').in('acme'),
  anAdapter('shout').in('globex'),
  anAdapter('initials').in('initech'),
] as const

export const keyOfTenant = secretOf

/** The revision the bed gives an adapter. */
export function revisionFor(adapterKey: string): string {
  return revisionOf(poolKey, `content of ${adapterKey}`)
}

async function startEngine(options: BedOptions): Promise<Simulator> {
  const engine = await startSimulator({
    modelPath: fixture('tiny-llama'),
    servedModelNames: [servedModelName],
    apiKey: engineKey,
    maxLoras: 4,
    maxCpuLoras: 16,
    maxRank: 32,
    ...options.simulator,
  })
  for (const [key, folder] of Object.entries(fixtureOf)) {
    const answer = await request(`${engine.url}/v1/load_lora_adapter`, {
      method: 'POST',
      headers: { authorization: `Bearer ${engineKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        lora_name: engineNameOf(revisionFor(key)),
        lora_path: fixture(`adapters/${folder}`),
      }),
    })
    if (answer.statusCode !== 200) {
      throw new Error(`${key} was not loaded: ${await answer.body.text()}`)
    }
    await answer.body.dump()
  }
  return engine
}

function fixture(path: string): string {
  return fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url))
}

// Gateways in front of one simulated engine with its real agent, over sockets; tenants with weights and adapters.
import { mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { pino } from 'pino'
import { createAgent } from '../../src/agent/agent.ts'
import { silentLogger } from '../../src/agent/logger.ts'
import type { Agent } from '../../src/agent/options.ts'
import type { AgentLink } from '../../src/api/agent-protocol.ts'
import { revisionOf } from '../../src/api/names.ts'
import { digestFolder } from '../../src/artifacts/digest.ts'
import type { StoredAdapter } from '../../src/artifacts/types.ts'
import { buildRoutingTable, type RoutingTable } from '../../src/core/resolve.ts'
import { createEngineClient } from '../../src/engine/http-client.ts'
import { Gateway } from '../../src/gateway/gateway.ts'
import { createGatewayServer } from '../../src/gateway/server.ts'
import { tiny, type LatencyProfile } from '../../src/sim/profile.ts'
import { aLora, aTensor, writeAdapter } from './adapter-builder.ts'
import { wire, type WiredAgent } from './agent-wire.ts'
import { aKey, anAdapter, anAdapterStatus, aPool, aSnapshot, aTenant } from './builders.ts'
import { SimulatorEngine } from './simulator-engine.ts'

export interface BedTenant {
  readonly name: string
  readonly weight: number
  /** `a0`, `a1`…; none: the tenant calls the base, `base`. */
  readonly adapters: number
}

export interface FairnessBedOptions {
  readonly gateways: number
  readonly tenants: readonly BedTenant[]
  /** Requests that the engine runs at once, and adapters among them. */
  readonly maxNumSeqs: number
  readonly maxLoras: number
  readonly stepMs: number
  /** What else a step takes; default: next to nothing. */
  readonly profile?: Partial<LatencyProfile>
  /** As before there were shares: whatever comes goes to the engine, which serves it first come, first served. */
  readonly isFifo: boolean
}

const poolKey = 'models/llama'

export class FairnessBed implements AsyncDisposable {
  readonly urls: readonly string[]
  readonly gateways: readonly Gateway[]
  readonly engine: SimulatorEngine
  readonly #closers: readonly (() => PromiseLike<unknown>)[]

  private constructor(
    gateways: readonly { readonly url: string; readonly gateway: Gateway }[],
    engine: SimulatorEngine,
    closers: readonly (() => PromiseLike<unknown>)[],
  ) {
    this.urls = gateways.map(({ url }) => url)
    this.gateways = gateways.map(({ gateway }) => gateway)
    this.engine = engine
    this.#closers = closers
  }

  static async start(options: FairnessBedOptions): Promise<FairnessBed> {
    const { maxLoras, maxNumSeqs, stepMs } = options
    const folder = await mkdtemp(join(tmpdir(), 'loraplex-fairness-'))
    const adapters = await writeAdapters(folder, options.tenants)
    const shelf = new Map([...adapters.values()].map((adapter) => [adapter.digest, adapter]))
    const engine = new SimulatorEngine({
      maxLoras,
      maxCpuLoras: 64,
      maxNumSeqs,
      profile: { ...tiny, ...options.profile, stepMs },
    })
    await engine.boot()
    const agent = createAgent({
      replica: 'pool-0',
      engine,
      createClient: (address) => createEngineClient(address),
      adapters: { get: (digest) => Promise.resolve(shelf.get(digest)) },
      maxLoras,
      maxCpuLoras: 64,
      logger: silentLogger,
    })
    agent.start()
    await load(agent, shelf.values())
    const wired = await wire({ agent })
    const table = tableOf(options.tenants, adapters)
    const gateways = await Promise.all(
      Array.from({ length: options.gateways }, () => startGateway(options, table, wired, engine)),
    )
    return new FairnessBed(gateways, engine, [
      ...gateways.map((gateway) => () => gateway.close()),
      () => wired[Symbol.asyncDispose](),
      () => agent.close(),
      () => engine.stop(),
      () => rm(folder, { recursive: true, force: true }),
    ])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const close of this.#closers) {
      await close()
    }
  }
}

async function writeAdapters(
  folder: string,
  tenants: readonly BedTenant[],
): Promise<ReadonlyMap<string, StoredAdapter>> {
  const stored = new Map<string, StoredAdapter>()
  const a = aTensor('base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight', [4, 256])
  const b = aTensor('base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight', [256, 4])
  for (const { name, adapters } of tenants) {
    for (let at = 0; at < adapters; at += 1) {
      const path = join(folder, `${name}-${at}`)
      await writeAdapter(path, aLora(a.filled(0.01 * (stored.size + 1)), b.filled(0.01)))
      stored.set(`${name}/a${at}`, { digest: await digestFolder(path), path, sizeBytes: 1 })
    }
  }
  return stored
}

async function load(agent: Agent, adapters: Iterable<StoredAdapter>): Promise<void> {
  const entries = [...adapters].map(({ digest, sizeBytes }) => {
    const revision = revisionOf(poolKey, digest)
    return { revision, digest, want: 'Loaded' as const, sizeBytes }
  })
  await agent.setDesired({ term: 1, sequence: 1, entries })
  for (const { revision } of entries) {
    await until(() => agent.snapshot().residency.get(revision)?.state === 'Routable')
  }
  await until(() => agent.snapshot().ready)
}

function tableOf(
  tenants: readonly BedTenant[],
  adapters: ReadonlyMap<string, StoredAdapter>,
): RoutingTable {
  return buildRoutingTable({
    snapshot: aSnapshot([
      aPool('llama'),
      ...tenants.flatMap(({ name, weight, adapters: count }) => [
        aTenant(name).with({ weight }).withModels({ base: 'ModelPool models/llama' }),
        aKey(name).in(name),
        ...Array.from({ length: count }, (_, at) => anAdapter(`a${at}`).in(name)),
      ]),
    ]),
    statusOf: (key) => {
      const digest = adapters.get(key)?.digest ?? ''
      return anAdapterStatus({ active: revisionOf(poolKey, digest) })
    },
  })
}

async function startGateway(
  { isFifo }: FairnessBedOptions,
  table: RoutingTable,
  wired: WiredAgent,
  engine: SimulatorEngine,
): Promise<{ readonly url: string; readonly gateway: Gateway; close(): Promise<void> }> {
  const gateway = new Gateway({
    saltSecret: Buffer.from('salt of a test'),
    maxInFlightPerReplica: 100_000,
  })
  gateway.setTable(table)
  const remote = wired.link()
  gateway.setReplicas([
    {
      name: 'pool-0',
      poolKey,
      servedModelName: engine.servedModelName,
      address: () => engine.address,
      link: isFifo ? withoutShares(remote) : remote,
    },
  ])
  const server = await createGatewayServer({
    gateway,
    logger: pino({ level: 'silent' }),
    unknownFields: 'Drop',
  })
  await server.listen({ host: '127.0.0.1', port: 0 })
  await until(() => gateway.views().every((view) => view.ready))
  return {
    url: `http://127.0.0.1:${(server.server.address() as AddressInfo).port}`,
    gateway,
    close: async () => {
      await gateway.close()
      await server.close()
    },
  }
}

/** As an agent from before there were shares. */
function withoutShares(link: AgentLink): AgentLink {
  return {
    replica: link.replica,
    setDesired: (request) => link.setDesired(request),
    ensure: (revision) => link.ensure(revision),
    lease: (request) => link.lease(request),
    drain: () => link.drain(),
    watchState: (onMessage) =>
      link.watchState((message) =>
        onMessage(message.type === 'hello' ? { ...message, shares: false } : message),
      ),
  }
}

/** Not vitest's: the bars run without it. */
async function until(reached: () => boolean): Promise<void> {
  const endMs = performance.now() + 30_000
  while (!reached()) {
    if (performance.now() > endMs) {
      throw new Error('the bed did not come up')
    }
    await delay(10)
  }
}

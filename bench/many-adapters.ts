import { buildRoutingTable, type RoutingTable } from '../src/core/resolve.ts'
import { ReplicaView } from '../src/gateway/replica-view.ts'
import {
  aKey,
  anAdapter,
  anAdapterStatus,
  aPool,
  aSnapshot,
  aTenant,
  secretOf,
  sha256,
} from '../test/support/builders.ts'
import { ScriptedAgent } from '../test/support/scripted-agent.ts'

/** One call as a gateway sees it: whose key, which name. */
export interface Call {
  readonly authorization: string
  readonly model: string
}

/** A gateway's knowledge with many tenants, adapters and replicas, and every call that can be made. */
export interface ManyAdapters {
  readonly table: RoutingTable
  readonly calls: readonly Call[]
  readonly views: readonly ReplicaView[]
  close(): Promise<void>
}

export interface Sizes {
  readonly tenants: number
  readonly adaptersEach: number
  readonly replicas: number
  /** Replicas that have an adapter. */
  readonly copies: number
}

/** Every adapter has its copies, and a slot on each: a pick finds its place at once. */
export async function createManyAdapters(sizes: Sizes): Promise<ManyAdapters> {
  const names = Array.from({ length: sizes.tenants }, (_, at) => `t${at}`)
  const adapters = Array.from({ length: sizes.adaptersEach }, (_, at) => `a${at}`)
  const snapshot = aSnapshot([
    aPool('llama'),
    ...names.flatMap((name) => [
      aTenant(name).claiming(name),
      aKey(name).in(name),
      ...adapters.map((adapter) => anAdapter(adapter).in(name)),
    ]),
  ])
  const table = buildRoutingTable({
    snapshot,
    statusOf: (key) => anAdapterStatus({ active: revisionOf(key) }),
  })
  return {
    table,
    calls: names.flatMap((name) =>
      adapters.map((model) => ({ authorization: `Bearer ${secretOf(name)}`, model })),
    ),
    ...(await createViews([...snapshot.adapters.keys()].map(revisionOf), sizes)),
  }
}

function revisionOf(adapterKey: string): string {
  return sha256(adapterKey).slice(0, 32)
}

async function createViews(revisions: readonly string[], { replicas, copies }: Sizes) {
  const agents = Array.from({ length: replicas }, (_, at) => new ScriptedAgent(`llama-${at}`))
  const views = agents.map((agent, at) => {
    agent.slots = revisions.length
    agent.up(`process ${at}`)
    agent.leaseAnswers = ({ wanted, inFlight }) =>
      Promise.resolve({
        granted: [...wanted, ...Object.keys(inFlight)],
        reclaimed: [],
        ttlMs: 86_400_000,
      })
    return new ReplicaView(
      {
        name: agent.replica,
        poolKey: 'models/llama',
        servedModelName: 'llama',
        address: () => ({ url: 'http://127.0.0.1:1', apiKey: undefined }),
        link: agent,
      },
      {
        gateway: 'bench',
        maxInFlight: 256,
        // Time stands still, so no grant grows idle and goes back.
        now: () => 0,
        onChange: () => undefined,
      },
    )
  })
  for (const [at, revision] of revisions.entries()) {
    for (let copy = 0; copy < copies; copy += 1) {
      const place = (at + copy) % replicas
      agents[place]?.routable(revision)
      views[place]?.wantSlot(revision)
    }
  }
  // The first answer grants what was wanted first, the one after it the rest.
  for (let turn = 0; turn < 10; turn += 1) {
    await new Promise((resolve) => setImmediate(resolve))
  }
  return {
    views,
    close: async () => {
      await Promise.all(views.map((view) => view.close()))
    },
  }
}

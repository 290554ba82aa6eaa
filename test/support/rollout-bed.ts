import { readFile } from 'node:fs/promises'
import { request } from 'undici'
import { expect, vi } from 'vitest'
import { connectToCluster } from '../../src/resources/kubernetes/connect.ts'
import { createKubeClient } from '../../src/resources/kubernetes/kube-client.ts'
import { leaseType } from '../../src/resources/kubernetes/lease.ts'
import { resourceTypes } from '../../src/resources/kubernetes/resource-types.ts'
import { createTransport, type Transport } from '../../src/resources/kubernetes/transport.ts'
import type { KubeClient, KubeObject } from '../../src/resources/kubernetes/types.ts'
import { kubectl, kubectlApply, theCluster } from './cluster-tools.ts'
import { ProductRelease } from './product-release.ts'
import { listObjects, loraplex, Manifests, release, type KubeJson } from './product.ts'
import type { StreamCall, StreamLoad } from './stream-load.ts'

const pools = 'rollout-pools'
const tenant = 'rollers'
const mainPool = 'rolling'
const fixture = 'test/fixtures/adapters/acme-tickets'

export interface PoolShape {
  readonly name: string
  readonly args: readonly string[]
  readonly replicas?: number
  readonly scaling?: object
}

/** The product with one tenant, a pool of three replicas and as many adapters as a test wants. */
export class RolloutBed implements AsyncDisposable {
  readonly product: ProductRelease
  readonly pool = mainPool
  readonly #manifests: Manifests
  readonly #transport: Transport
  readonly #client: KubeClient
  #url = ''
  #key = ''

  static async create(adapterCount: number): Promise<RolloutBed> {
    const bed = new RolloutBed(
      await Manifests.create(),
      createTransport(await connectToCluster()),
      adapterCount,
    )
    await bed.product.prepare()
    await kubectlApply(await adapterFiles(adapterCount))
    await bed.product.install()
    bed.#url = await bed.product.url()
    // At 80 % of its load with 19 streams.
    await bed.addPool({ name: mainPool, args: ['--step-ms=20', '--max-num-seqs=8'], replicas: 3 })
    await kubectlApply(
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: tenant } },
      ours('ModelTenant', { name: tenant }, {}),
    )
    const printed = await loraplex('keys', 'create', 'ci', '-n', tenant)
    bed.#key = /lpx_\S+/.exec(printed)?.[0] ?? ''
    await bed.ready(`lpp/${mainPool}`)
    return bed
  }

  private constructor(manifests: Manifests, transport: Transport, adapterCount: number) {
    this.#manifests = manifests
    this.#transport = transport
    this.#client = createKubeClient({ transport })
    const items = Array.from({ length: adapterCount }, (_, index) => [
      { key: `config-${index}`, path: `a${index}/adapter_config.json` },
      { key: 'weights', path: `a${index}/adapter_model.safetensors` },
    ]).flat()
    this.product = new ProductRelease({
      manifests,
      image: theCluster().image,
      volumes: { rollouts: { configMap: { name: 'rollout-adapters', items } } },
      values: { adminAuth: 'None' },
    })
  }

  /** The sample's, under names of our own. */
  async addPool({ name, args, replicas, scaling }: PoolShape): Promise<void> {
    await this.#manifests.applySample('simulator/pool.yaml', (object) => {
      if (object.kind === 'Namespace') {
        object.metadata.name = pools
        return
      }
      object.metadata.namespace = pools
      if (object.kind === 'ModelPool') {
        object.metadata.name = name
        object.spec = { ...object.spec, replicas, scaling }
        object.spec.engine = { ...object.spec.engine, image: theCluster().image, args }
      }
    })
  }

  async patchPool(spec: object): Promise<void> {
    const patch = JSON.stringify({ spec })
    await kubectl('patch', '-n', pools, `lpp/${mainPool}`, '--type=merge', '-p', patch)
  }

  async readPool(name: string): Promise<KubeJson> {
    return await this.#client.get(resourceTypes.ModelPool, { namespace: pools, name })
  }

  enginePods(pool: string = mainPool): Promise<readonly KubeJson[]> {
    return listObjects('pods', pools, `loraplex.dev/pool=${pool}`)
  }

  /** The model's name for callers. */
  adapterName(index: number, pool: string = mainPool): string {
    return pool === mainPool ? `a${index}` : `${pool}-a${index}`
  }

  /** Resolves when it is Ready; without the time that kubectl takes. */
  async applyAdapter(index: number, pool: string = mainPool): Promise<void> {
    const type = resourceTypes.LoraAdapter
    const metadata = { name: this.adapterName(index, pool), namespace: tenant }
    const object = ours('LoraAdapter', metadata, {
      poolRefs: [{ namespace: pools, name: pool }],
      source: { uri: `file:///adapters/rollouts/a${index}` },
    })
    await this.#client.apply(type, object, { fieldManager: 'rollouts' })
    const isReady = async (): Promise<string> => {
      const read: KubeJson = await this.#client.get(type, metadata)
      return read.status?.conditions?.find((one: KubeJson) => one.type === 'Ready')?.status
    }
    await expect.poll(isReady, { timeout: 90_000, interval: 20 }).toBe('True')
  }

  async ready(object: string): Promise<void> {
    await kubectl('wait', '-n', pools, object, '--for=condition=Ready', '--timeout=120s')
  }

  /** A caller of the Service, of one of three adapters. */
  call(tokens: number, more: Partial<StreamCall> = {}): StreamCall {
    const model = this.adapterName(Math.floor(Math.random() * 3))
    return { url: this.#url, key: this.#key, model, tokens, ...more }
  }

  /** So many streams, all of them answering. */
  async open(
    load: StreamLoad,
    count: number,
    tokens: number,
  ): Promise<{ readonly ended: Promise<unknown> }> {
    const before = load.open
    const streams = Array.from({ length: count }, () => load.read(this.call(tokens)))
    await expect.poll(() => load.open, { timeout: 30_000 }).toBeGreaterThanOrEqual(before + count)
    return { ended: Promise.all(streams) }
  }

  /** Requests that the gateways had to try on a second engine. */
  async retries(): Promise<number> {
    const counts = (await this.product.gatewayPods()).map(async (pod) => {
      const text = await metricsOf(`${pod.status.podIP}:9090`)
      return Number(/^loraplex_retries_total (\d+)/m.exec(text)?.[1])
    })
    return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0)
  }

  /** Adapters that gateways may send to this replica. */
  async routableAt(pod: KubeJson): Promise<number> {
    const text = await metricsOf(`${pod.status.podIP}:8100`)
    return Number(/^loraplex_replica_adapters\{state="Routable"\} (\d+)/m.exec(text)?.[1])
  }

  /** Requests that its engine runs. */
  async runningAt(pod: KubeJson): Promise<number> {
    const text = await metricsOf(`${pod.status.podIP}:8000`)
    return Number(/^vllm:num_requests_running\{.*\} (\d+)/m.exec(text)?.[1])
  }

  /** As `kubectl drain` does. */
  async evict(pod: KubeJson): Promise<void> {
    const { name, namespace } = pod.metadata
    const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace } }
    const file = await this.#manifests.write('eviction.json', JSON.stringify(eviction))
    const path = `/api/v1/namespaces/${namespace}/pods/${name}/eviction`
    await kubectl('create', `--raw=${path}`, '-f', file)
  }

  /** Seconds until another process leads after this was done to the one that does. */
  async nextLeader(away: (leader: KubeJson) => Promise<void>): Promise<number> {
    const before = await this.#leader()
    const selector = 'app.kubernetes.io/component=controller'
    const pods = await listObjects('pods', release.namespace, selector)
    const leader = pods.find((pod) => before.startsWith(pod.metadata.name))
    expect(leader).toBeDefined()
    await away(leader)
    const startedAt = performance.now()
    const next = async (): Promise<string> => {
      const holder = await this.#leader()
      return holder === before ? '' : holder
    }
    await expect.poll(next, { timeout: 60_000, interval: 20 }).not.toBe('')
    return (performance.now() - startedAt) / 1000
  }

  /** The pod that leads; without the time that kubectl takes. */
  async #leader(): Promise<string> {
    const key = { namespace: release.namespace, name: 'loraplex-controller' }
    return (await this.#client.get(leaseType, key))?.spec?.holderIdentity ?? ''
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      // A namespace that still has pods ten seconds after its deletion is looked at again half an hour later.
      await kubectl('delete', '-n', pools, 'modelpools', '--all')
      const areGone = async () => expect(await listObjects('pods', pools)).toEqual([])
      await vi.waitFor(areGone, { timeout: 90_000, interval: 500 })
      await kubectl('delete', 'namespace', tenant, pools, '--timeout=60s')
    } finally {
      await this.product.uninstall()
      await this.#manifests[Symbol.asyncDispose]()
      await this.#client.close()
      await this.#transport.close()
    }
  }
}

/** Good adapters of different content: one file of weights, again and again with another scale. */
async function adapterFiles(count: number): Promise<object> {
  const config = JSON.parse(await readFile(`${fixture}/adapter_config.json`, 'utf8'))
  const weights = await readFile(`${fixture}/adapter_model.safetensors`)
  const configs = Array.from({ length: count }, (_, index) => [
    `config-${index}`,
    JSON.stringify({ ...config, lora_alpha: Number(config.lora_alpha) + index * 0.25 }),
  ])
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'rollout-adapters', namespace: release.namespace },
    data: Object.fromEntries(configs),
    binaryData: { weights: weights.toString('base64') },
  }
}

function ours(kind: string, metadata: KubeObject['metadata'], spec: object): KubeObject {
  const object = { apiVersion: 'loraplex.dev/v1alpha1', kind, metadata, spec }
  return object
}

async function metricsOf(host: string): Promise<string> {
  const answer = await request(`http://${host}/metrics`)
  return await answer.body.text()
}

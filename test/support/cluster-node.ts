// What a Deployment comes to on a cluster: pods as objects, each with an agent behind a real port. Stands in for
// controller-manager, scheduler and kubelet, which the integration tier does not have.
import { randomBytes, randomInt } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import { createAgentServer } from '../../src/agent/server/agent-server.ts'
import type { AgentLink, DesiredAnswer, DesiredRequest } from '../../src/api/agent-protocol.ts'
import { annotations, labels, replicaNameOf } from '../../src/api/cluster-names.ts'
import { agentToken } from '../../src/wire/internal-auth.ts'
import type { ApiServer } from './api-server.ts'
import { ScriptedAgent } from './scripted-agent.ts'

/** Loads what it is told to, at once. */
export class ObedientAgent extends ScriptedAgent {
  /** Each with the whole catalogue that it came to. */
  readonly orders: DesiredRequest[] = []
  drains = 0
  override setDesired(request: DesiredRequest = { term: 0, sequence: 0, entries: [] }) {
    const { term, sequence, change } = request
    const last = this.orders.at(-1)
    const isOlder =
      last !== undefined && (term < last.term || (term === last.term && sequence < last.sequence))
    if (isOlder || (change !== undefined && change.since !== last?.sequence)) {
      const { term: held = -1, sequence: heldSequence = -1 } = last ?? {}
      return Promise.resolve({ accepted: false, term: held, sequence: heldSequence })
    }
    const catalogue = new Map(
      (change === undefined ? [] : (last?.entries ?? [])).map((one) => [one.revision, one]),
    )
    change?.gone.forEach((revision) => catalogue.delete(revision))
    request.entries.forEach((one) => catalogue.set(one.revision, one))
    this.orders.push({ term, sequence, entries: [...catalogue.values()] })
    for (const { revision, want } of request.entries) {
      this.reside(revision, { state: want === 'Loaded' ? 'Routable' : 'Absent' })
    }
    const answer: DesiredAnswer = { accepted: true, term, sequence }
    return Promise.resolve(answer)
  }

  override drain(): Promise<void> {
    this.drains += 1
    return super.drain()
  }
}

/** Where a pod is, and whose. */
export interface PodPlace {
  readonly poolKey: string
  readonly poolRevision: string
  readonly servedModelName: string
  readonly replica: string
  readonly address: string
}

/** What runs in a pod: an agent behind port 8100 of its address, and whatever else. */
export interface PodContent<A extends AgentLink> {
  readonly agent: A
  close(): Promise<unknown>
}

export type StartPod<A extends AgentLink> = (place: PodPlace) => Promise<PodContent<A>>

export interface NodePod<A extends AgentLink = ObedientAgent> extends PodContent<A> {
  readonly namespace: string
  readonly name: string
  readonly revision: string
  isReady: boolean
}

interface Rank<A extends AgentLink> {
  readonly pod: NodePod<A>
  readonly cost: number
}

export class ClusterNode<A extends AgentLink = ObedientAgent> implements AsyncDisposable {
  readonly pods = new Map<string, NodePod<A>>()
  /** Pods that went, in their order. */
  readonly gone: string[] = []
  readonly #api: ApiServer
  readonly #startPod: StartPod<A>
  readonly #end = new AbortController()
  readonly #running: Promise<void>

  constructor(api: ApiServer, startPod: StartPod<A>) {
    this.#api = api
    this.#startPod = startPod
    this.#running = this.#run()
  }

  of(pool: string): readonly NodePod<A>[] {
    return [...this.pods.values()].filter(({ name }) => name.startsWith(`${pool}-engine-`))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort()
    await this.#running
    await Promise.all([...this.pods.values()].map((pod) => pod.close()))
  }

  async #run(): Promise<void> {
    while (!this.#end.signal.aborted) {
      // An API server that is away tells the node nothing, and its pods run on.
      await this.#step().catch((error: unknown) => {
        if (!isAway(error)) {
          console.error(error)
        }
      })
      await delay(50)
    }
  }

  async #step(): Promise<void> {
    const { body } = await this.#api.ask('GET', '/apis/apps/v1/deployments')
    const items = ((body.items ?? []) as Deployment[]).filter(
      // What reads claims is no replica.
      ({ metadata }) => metadata.labels?.[labels.component] !== 'reader',
    )
    for (const deployment of items) {
      await this.#follow(deployment)
    }
    const wanted = new Set(items.map(({ metadata }) => `${metadata.namespace}/${metadata.name}-`))
    for (const [key, pod] of this.pods) {
      if (![...wanted].some((prefix) => key.startsWith(prefix))) {
        await this.#remove(pod)
      }
    }
  }

  async #follow(deployment: Deployment): Promise<void> {
    const { metadata, spec } = deployment
    const prefix = `${metadata.namespace}/${metadata.name}-`
    const revision = spec.template.metadata.labels[labels.poolRevision] ?? ''
    const mine = [...this.pods].filter(([key]) => key.startsWith(prefix)).map(([, pod]) => pod)
    const updated = mine.filter((pod) => pod.revision === revision)
    const old = mine.filter((pod) => pod.revision !== revision)
    for (const pod of mine) {
      await this.#refresh(pod)
    }
    if (updated.length < spec.replicas) {
      await this.#add(deployment, revision)
    } else if (old[0] !== undefined && updated.every((pod) => pod.isReady)) {
      await this.#remove(old[0])
    } else if (updated.length > spec.replicas) {
      await this.#removeOne(updated)
    }
    const now = [...this.pods].filter(([key]) => key.startsWith(prefix)).map(([, pod]) => pod)
    await this.#tellStatus(deployment, now, revision)
  }

  async #tellStatus(
    { metadata, status }: Deployment,
    pods: readonly NodePod<A>[],
    revision: string,
  ): Promise<void> {
    const next = {
      observedGeneration: metadata.generation,
      replicas: pods.length,
      updatedReplicas: pods.filter((pod) => pod.revision === revision).length,
      readyReplicas: pods.filter((pod) => pod.isReady).length,
    }
    const isNews = Object.entries(next).some(
      ([name, value]) => (status?.[name as keyof typeof next] ?? 0) !== value,
    )
    if (isNews) {
      const path = `/apis/apps/v1/namespaces/${metadata.namespace}/deployments/${metadata.name}`
      await this.#api.ask('PATCH', `${path}/status`, { status: next })
    }
  }

  async #add({ metadata, spec }: Deployment, revision: string): Promise<void> {
    const { namespace } = metadata
    const name = `${metadata.name}-${randomBytes(3).toString('hex')}`
    const pods = `/api/v1/namespaces/${namespace}/pods`
    const { body, status } = await this.#api.ask('POST', pods, {
      metadata: { name, ...spec.template.metadata },
      spec: { containers: [{ name: 'vllm', image: 'vllm' }] },
    })
    if (status >= 300) {
      throw new Error(`${name}: ${JSON.stringify(body)}`)
    }
    const address = `127.${randomInt(20, 250)}.${randomInt(1, 250)}.${randomInt(1, 250)}`
    const { template } = spec
    const content = await this.#startPod({
      poolKey: `${namespace}/${template.metadata.labels[labels.pool] ?? ''}`,
      poolRevision: revision,
      servedModelName: template.metadata.annotations[annotations.servedModelName] ?? '',
      replica: replicaNameOf(body.metadata),
      address,
    })
    const pod = { ...content, namespace, name, revision, isReady: false }
    this.pods.set(`${namespace}/${name}`, pod)
    await this.#api.ask('PATCH', `${pods}/${name}/status`, {
      status: { phase: 'Running', podIP: address, podIPs: [{ ip: address }] },
    })
    await this.#refresh(pod)
  }

  /** Readiness is the agent's, as the kubelet's probe would have it. */
  async #refresh(pod: NodePod<A>): Promise<void> {
    const { isUp, isDraining } = stateOf(pod.agent)
    const isReady = isUp && !isDraining
    if (isReady === pod.isReady) {
      return
    }
    pod.isReady = isReady
    await this.#api.ask('PATCH', `/api/v1/namespaces/${pod.namespace}/pods/${pod.name}/status`, {
      status: { conditions: [{ type: 'Ready', status: isReady ? 'True' : 'False' }] },
    })
  }

  /** The ReplicaSet's order: not ready before ready, then the lowest cost. */
  async #removeOne(pods: readonly NodePod<A>[]): Promise<void> {
    const ranks = await Promise.all(
      pods.map(async (pod): Promise<Rank<A>> => {
        const path = `/api/v1/namespaces/${pod.namespace}/pods/${pod.name}`
        const notes = (await this.#api.ask('GET', path)).body.metadata?.annotations ?? {}
        return { pod, cost: Number(notes['controller.kubernetes.io/pod-deletion-cost'] ?? 0) }
      }),
    )
    const [first] = ranks.toSorted(
      (left, right) =>
        Number(left.pod.isReady) - Number(right.pod.isReady) || left.cost - right.cost,
    )
    if (first !== undefined) {
      await this.#remove(first.pod)
    }
  }

  async #remove(pod: NodePod<A>): Promise<void> {
    this.pods.delete(`${pod.namespace}/${pod.name}`)
    this.gone.push(pod.name)
    const path = `/api/v1/namespaces/${pod.namespace}/pods/${pod.name}?gracePeriodSeconds=0`
    await this.#api.ask('DELETE', path)
    await pod.close()
  }
}

interface Deployment {
  readonly metadata: {
    readonly namespace: string
    readonly name: string
    readonly generation: number
    readonly labels?: Readonly<Record<string, string>>
  }
  readonly spec: {
    readonly replicas: number
    readonly template: {
      readonly metadata: {
        readonly labels: Record<string, string>
        readonly annotations: Record<string, string>
      }
    }
  }
  readonly status?: Partial<
    Record<'observedGeneration' | 'replicas' | 'updatedReplicas' | 'readyReplicas', number>
  >
}

function stateOf(agent: AgentLink): { isUp: boolean; isDraining: boolean } {
  const state = { isUp: false, isDraining: false }
  agent.watchState((message) => {
    if (message.type === 'load') {
      state.isUp = message.ready
      state.isDraining = message.draining
    }
  })()
  return state
}

/** A pod whose agent does at once what it is told, with no engine beside it. */
export function obedientPods(secret: Buffer): StartPod<ObedientAgent> {
  return async ({ replica, address, poolKey }) => {
    const agent = new ObedientAgent(replica)
    agent.up(`process of ${replica}`)
    const server = await createAgentServer({
      agent: Object.assign(agent, {
        start: () => undefined,
        close: () => Promise.resolve(),
        mayDelete: () => true,
        takeSpare: () => undefined,
        snapshot: () => {
          throw new Error('no test asks for it')
        },
      }),
      token: agentToken(secret, poolKey),
      logger: pino({ level: 'silent' }),
      registry: new Registry(),
      restartWanted: () => undefined,
    })
    await server.listen({ host: address, port: 8100 })
    return { agent, close: () => server.close() }
  }
}

function isAway(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return ['ECONNREFUSED', 'ECONNRESET', 'UND_ERR_SOCKET'].includes(code)
}

// What a Deployment comes to on a cluster: pods as objects, each with an obedient agent behind a real port. Stands in
// for controller-manager, scheduler and kubelet, which the integration tier does not have.
import { randomBytes, randomInt } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import { createAgentServer } from '../../src/agent/server/agent-server.ts'
import type { DesiredAnswer, DesiredRequest } from '../../src/api/agent-protocol.ts'
import { labels, replicaNameOf } from '../../src/api/cluster-names.ts'
import { agentToken } from '../../src/wire/internal-auth.ts'
import type { ApiServer } from './api-server.ts'
import { ScriptedAgent } from './scripted-agent.ts'

/** Loads what it is told to, at once. */
export class ObedientAgent extends ScriptedAgent {
  readonly orders: DesiredRequest[] = []
  drains = 0
  override setDesired(request: DesiredRequest = { term: 0, sequence: 0, entries: [] }) {
    const last = this.orders.at(-1)
    const isOlder =
      last !== undefined &&
      (request.term < last.term || (request.term === last.term && request.sequence < last.sequence))
    if (isOlder) {
      return Promise.resolve({ accepted: false, term: last.term, sequence: last.sequence })
    }
    this.orders.push(request)
    for (const { revision, want } of request.entries) {
      this.reside(revision, { state: want === 'Loaded' ? 'Routable' : 'Absent' })
    }
    const answer: DesiredAnswer = {
      accepted: true,
      term: request.term,
      sequence: request.sequence,
    }
    return Promise.resolve(answer)
  }

  override drain(): Promise<void> {
    this.drains += 1
    return super.drain()
  }
}

export interface NodePod {
  readonly namespace: string
  readonly name: string
  readonly agent: ObedientAgent
  readonly server: FastifyInstance
  readonly revision: string
  isReady: boolean
}

interface Rank {
  readonly pod: NodePod
  readonly cost: number
}

export class ClusterNode implements AsyncDisposable {
  readonly pods = new Map<string, NodePod>()
  /** Pods that went, in their order. */
  readonly gone: string[] = []
  /** Engines of new pods come up; else their agents say that they start. */
  enginesStart = true
  readonly #api: ApiServer
  readonly #secret: Buffer
  readonly #end = new AbortController()
  readonly #running: Promise<void>

  constructor(api: ApiServer, secret: Buffer) {
    this.#api = api
    this.#secret = secret
    this.#running = this.#run()
  }

  of(pool: string): readonly NodePod[] {
    return [...this.pods.values()].filter(({ name }) => name.startsWith(`${pool}-engine-`))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort()
    await this.#running
    await Promise.all([...this.pods.values()].map(({ server }) => server.close()))
  }

  async #run(): Promise<void> {
    while (!this.#end.signal.aborted) {
      await this.#step().catch((error: unknown) => console.error(error))
      await delay(50)
    }
  }

  async #step(): Promise<void> {
    const { body } = await this.#api.ask('GET', '/apis/apps/v1/deployments')
    const items = (body.items ?? []) as Deployment[]
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
    pods: readonly NodePod[],
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
    const agent = new ObedientAgent(replicaNameOf(body.metadata))
    if (this.enginesStart) {
      agent.up(`process of ${name}`)
    }
    const address = `127.${randomInt(20, 250)}.${randomInt(1, 250)}.${randomInt(1, 250)}`
    const pool = spec.template.metadata.labels[labels.pool] ?? ''
    const server = await serve(agent, address, agentToken(this.#secret, `${namespace}/${pool}`))
    const pod: NodePod = { namespace, name, agent, server, revision, isReady: false }
    this.pods.set(`${namespace}/${name}`, pod)
    await this.#api.ask('PATCH', `${pods}/${name}/status`, {
      status: { phase: 'Running', podIP: address, podIPs: [{ ip: address }] },
    })
    await this.#refresh(pod)
  }

  /** Readiness is the agent's, as the kubelet's probe would have it. */
  async #refresh(pod: NodePod): Promise<void> {
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
  async #removeOne(pods: readonly NodePod[]): Promise<void> {
    const ranks = await Promise.all(
      pods.map(async (pod): Promise<Rank> => {
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

  async #remove(pod: NodePod): Promise<void> {
    this.pods.delete(`${pod.namespace}/${pod.name}`)
    this.gone.push(pod.name)
    const path = `/api/v1/namespaces/${pod.namespace}/pods/${pod.name}?gracePeriodSeconds=0`
    await this.#api.ask('DELETE', path)
    await pod.server.close()
  }
}

interface Deployment {
  readonly metadata: {
    readonly namespace: string
    readonly name: string
    readonly generation: number
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

export function stateOf(agent: ScriptedAgent): { isUp: boolean; isDraining: boolean } {
  const state = { isUp: false, isDraining: false }
  agent.watchState((message) => {
    if (message.type === 'load') {
      state.isUp = message.ready
      state.isDraining = message.draining
    }
  })()
  return state
}

async function serve(agent: ObedientAgent, host: string, token: string): Promise<FastifyInstance> {
  const server = await createAgentServer({
    agent: Object.assign(agent, {
      start: () => undefined,
      close: () => Promise.resolve(),
      mayDelete: () => true,
      snapshot: () => {
        throw new Error('no test asks for it')
      },
    }),
    token,
    logger: pino({ level: 'silent' }),
    registry: new Registry(),
    restartWanted: () => undefined,
  })
  await server.listen({ host, port: 8100 })
  return server
}

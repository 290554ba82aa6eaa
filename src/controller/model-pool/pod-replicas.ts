import { labels, replicaNameOf, replicaPorts } from '../../api/cluster-names.ts'
import { keyOfObject } from '../../resources/kubernetes/object-key.ts'
import type { KubeObject, Reflector } from '../../resources/kubernetes/types.ts'
import {
  createAgentLink,
  type AgentLinkOptions,
  type RemoteAgentLink,
} from '../../wire/agent-link.ts'
import { agentToken } from '../../wire/internal-auth.ts'
import { isPodOver, portOf, urlOf, type PodObject } from './kube-shapes.ts'
import { PodReplica, type ReplicaNews } from './pod-replica.ts'

export interface PodReplicasOptions {
  /** Pods with `component=engine`, of all namespaces. */
  readonly pods: Reflector<PodObject>
  readonly secret: Buffer
  readonly createLink?: (options: AgentLinkOptions) => RemoteAgentLink
}

/** On the pod that is to go: when it was chosen, ISO 8601. */
export const leavingAnnotation = 'loraplex.dev/leaving-since'

/** A link to the agent of every replica pod that has an address and is not going away. */
export class PodReplicas {
  readonly #options: PodReplicasOptions
  readonly #watchers = new Set<(poolKey: string, what: ReplicaNews) => void>()
  /** By pod key; the address is part of who it is. */
  readonly #members = new Map<string, { readonly identity: string; readonly replica: PodReplica }>()
  #unwatch: () => void = () => undefined
  #closed = false

  constructor(options: PodReplicasOptions) {
    this.#options = options
  }

  start(): void {
    const { pods } = this.#options
    this.#unwatch = pods.onChange(({ key, before, after }) => {
      this.#sync(key, after)
      const pod = after ?? before
      if (pod !== undefined) {
        this.#tell(poolKeyOfPod(pod), 'Service')
      }
    })
    for (const pod of pods.store.list()) {
      this.#sync(keyOfObject(pod), pod)
    }
  }

  /** Told which pool something happened to. Returns the unsubscribe. */
  watch(onChange: (poolKey: string, what: ReplicaNews) => void): () => void {
    const watcher = (poolKey: string, what: ReplicaNews): void => onChange(poolKey, what)
    this.#watchers.add(watcher)
    return () => {
      this.#watchers.delete(watcher)
    }
  }

  all(): readonly PodReplica[] {
    return [...this.#members.values()].map(({ replica }) => replica)
  }

  of(poolKey: string): readonly PodReplica[] {
    return this.all().filter((replica) => replica.poolKey === poolKey)
  }

  get(podKey: string): PodReplica | undefined {
    return this.#members.get(podKey)?.replica
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#unwatch()
    await Promise.allSettled(this.all().map((replica) => replica.close()))
    this.#members.clear()
  }

  #sync(key: string, pod: PodObject | undefined): void {
    const member = this.#members.get(key)
    const address = pod === undefined ? undefined : addressOf(pod)
    const identity = `${pod?.metadata.uid ?? ''}@${address ?? ''}`
    if (member !== undefined && (address === undefined || member.identity !== identity)) {
      this.#members.delete(key)
      void member.replica.close()
    }
    if (pod === undefined || address === undefined || this.#closed) {
      return
    }
    const known = this.#members.get(key)?.replica ?? this.#add(key, identity, pod, address)
    known.isLeaving = pod.metadata.annotations?.[leavingAnnotation] !== undefined
  }

  #add(key: string, identity: string, pod: PodObject, url: string): PodReplica {
    const poolKey = poolKeyOfPod(pod)
    const { name, namespace = '', uid = '' } = pod.metadata
    const create = this.#options.createLink ?? createAgentLink
    const link = create({
      replica: replicaNameOf({ namespace, name, uid }),
      url,
      token: agentToken(this.#options.secret, poolKey),
    })
    const replica = new PodReplica(poolKey, link, (what) => this.#tell(poolKey, what))
    this.#members.set(key, { identity, replica })
    return replica
  }

  #tell(poolKey: string, what: ReplicaNews): void {
    this.#watchers.forEach((watcher) => watcher(poolKey, what))
  }
}

export function poolKeyOfPod(pod: KubeObject): string {
  return `${pod.metadata.namespace ?? ''}/${pod.metadata.labels?.[labels.pool] ?? ''}`
}

/** Undefined for a pod that has no agent to speak to, or soon none. */
function addressOf(pod: PodObject): string | undefined {
  const { podIP = '' } = pod.status ?? {}
  return podIP === '' || isPodOver(pod) || pod.metadata.deletionTimestamp !== undefined
    ? undefined
    : urlOf(podIP, portOf(pod, 'agent', replicaPorts.agent))
}

import type { GatewayReplica } from '../gateway/replica-view.ts'
import { createReflector, type ReflectorOptions } from '../resources/kubernetes/reflector.ts'
import type { Reflector } from '../resources/kubernetes/types.ts'
import { ReplicaDirectory } from './replica-directory.ts'
import {
  podType,
  replicaPodSelector,
  replicasOfPods,
  trimReplicaPod,
  type ReplicaPod,
} from './replica-pods.ts'

export interface ReplicaDiscoveryOptions extends Pick<
  ReflectorOptions<ReplicaPod>,
  'transport' | 'logger' | 'timing' | 'onReconnect' | 'onMissed'
> {
  /** The installation's. */
  readonly secret: Buffer
  readonly onReplicas: (replicas: readonly GatewayReplica[]) => void
}

/** Changes that come within so long are handed on together. */
const quietMs = 10

/** Watches replica pods in all namespaces, and hands on the whole list at every change. */
export class ReplicaDiscovery {
  readonly #reflector: Reflector<ReplicaPod>
  readonly #directory: ReplicaDirectory
  readonly #onReplicas: ReplicaDiscoveryOptions['onReplicas']
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor({ secret, onReplicas, ...options }: ReplicaDiscoveryOptions) {
    this.#onReplicas = onReplicas
    this.#directory = new ReplicaDirectory(secret)
    this.#reflector = createReflector({
      ...options,
      type: podType,
      labelSelector: replicaPodSelector,
      trim: trimReplicaPod,
    })
    this.#reflector.onChange(() => {
      if (!this.#isClosed) {
        this.#timer ??= setTimeout(() => this.#tell(), quietMs)
      }
    })
  }

  /** Monotonic milliseconds. */
  get heardAtMs(): number {
    return this.#reflector.store.heardAtMs
  }

  /** Resolves when the first list was handed on. */
  async start(signal: AbortSignal): Promise<void> {
    await this.#reflector.start(signal)
    this.#tell()
  }

  /** The links go last: whoever reads them has to be closed before. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    await this.#reflector.close()
    await this.#directory.close()
  }

  #tell(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const pods = this.#reflector.store.list()
    this.#onReplicas(this.#directory.replicas(replicasOfPods(pods)))
  }
}

import { gatewayPorts } from '../api/cluster-names.ts'
import { keyOfObject } from '../resources/kubernetes/object-key.ts'
import type { Reflector } from '../resources/kubernetes/types.ts'
import {
  createDemandClient,
  type DemandClient,
  type DemandClientOptions,
} from '../wire/demand-client.ts'
import type { GatewayDesk } from './gateway-desk.ts'
import { isPodOver, isPodReady, portOf, urlOf, type PodObject } from './model-pool/kube-shapes.ts'

export interface GatewayLinksOptions {
  /** Pods with `component=gateway` of the release's namespace. */
  readonly pods: Reflector<PodObject>
  readonly desk: GatewayDesk
  /** `controllerToken`. */
  readonly token: string
  /** Another demand, or another set of revisions that can be routed to. */
  readonly onDemand: () => void
  readonly onRoutable: () => void
  readonly createClient?: (options: DemandClientOptions) => DemandClient
}

/** How often is looked at who fell silent: nothing else tells. */
const silenceLookMs = 2000

/** Listens to every gateway pod, from when it has an address until it is gone. */
export class GatewayLinks {
  readonly #options: GatewayLinksOptions
  readonly #clients = new Map<string, { readonly address: string; readonly client: DemandClient }>()
  #unwatch: () => void = () => undefined
  #timer: NodeJS.Timeout | undefined

  constructor(options: GatewayLinksOptions) {
    this.#options = options
  }

  start(): void {
    const { pods, desk, onRoutable } = this.#options
    this.#timer = setInterval(() => {
      if (desk.hasOtherSilence()) {
        onRoutable()
      }
    }, silenceLookMs).unref()
    this.#unwatch = pods.onChange(({ key, after }) => this.#sync(key, after))
    for (const pod of pods.store.list()) {
      this.#sync(keyOfObject(pod), pod)
    }
  }

  async close(): Promise<void> {
    this.#unwatch()
    clearInterval(this.#timer)
    await Promise.allSettled([...this.#clients.values()].map(({ client }) => client.close()))
    this.#clients.clear()
  }

  #sync(key: string, pod: PodObject | undefined): void {
    const { desk, token, onRoutable } = this.#options
    const ip = pod?.status?.podIP ?? ''
    const port = pod === undefined ? 0 : portOf(pod, 'internal', gatewayPorts.internal)
    const address =
      pod === undefined || ip === '' || isPodOver(pod)
        ? undefined
        : `${urlOf(ip, port)}#${pod.metadata.uid}`
    const known = this.#clients.get(key)
    if (known !== undefined && known.address !== address) {
      this.#clients.delete(key)
      desk.remove(key)
      void known.client.close()
    }
    if (pod !== undefined && address !== undefined) {
      // One that is going away serves what it has; nothing new is promised in its name.
      desk.add(key, isPodReady(pod) && pod.metadata.deletionTimestamp === undefined)
      if (!this.#clients.has(key)) {
        this.#clients.set(key, { address, client: this.#listen(key, urlOf(ip, port), token) })
      }
    }
    onRoutable()
  }

  #listen(key: string, url: string, token: string): DemandClient {
    const { desk, onDemand, onRoutable, createClient = createDemandClient } = this.#options
    return createClient({
      url,
      token,
      onMessage: (message) => {
        const news = desk.take(key, message)
        if (news === 'Demand') {
          onDemand()
        } else if (news === 'Routable') {
          onRoutable()
        }
      },
    })
  }
}

import type { ResourceRequirements } from '../api/core-types.ts'
import type { ModelPool } from '../api/model-pool.ts'

/** Plain JSON as the API server takes it. */
export type Json = string | number | boolean | null | readonly Json[] | JsonMap
export interface JsonMap {
  readonly [field: string]: Json
}

/** An object the controller wants to be there. */
export interface DesiredObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace: string
    readonly labels: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
    readonly ownerReferences: readonly {
      readonly apiVersion: string
      readonly kind: string
      readonly name: string
      readonly uid: string
      readonly controller: boolean
      readonly blockOwnerDeletion: boolean
    }[]
  }
  readonly spec?: JsonMap
  readonly automountServiceAccountToken?: boolean
  readonly immutable?: boolean
  readonly type?: string
  readonly stringData?: Readonly<Record<string, string>>
}

/** What is the installation's and not the pool's. */
export interface WorkloadSettings {
  /** Our own image: `fetch-model` and `agent` run from it. */
  readonly image: string
  readonly imagePullPolicy: 'Always' | 'IfNotPresent' | 'Never'
  /** Of the pool's namespace. */
  readonly imagePullSecrets: readonly string[]
  /** Where gateways, controller and depot are. */
  readonly releaseNamespace: string
  readonly depotUrl: string
  readonly agentResources: ResourceRequirements
  /** Peers of a NetworkPolicy that may read agents' metrics, such as Prometheus; absent: nobody. */
  readonly monitoringPeers?: readonly JsonMap[]
  /** User and group of every container: neither our image nor vLLM's needs one of its own. */
  readonly runAsUser: number
}

/** How `vllm serve` is started; made by `engine/launch-arguments.ts`, which is no business of `core`. */
export interface EngineLaunch {
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

export interface PoolTokens {
  readonly engineKey: string
  readonly agentToken: string
  readonly depotToken: string
  /** Of the preStop hook: everybody reads it who may read pods, so it is good for nothing else. */
  readonly preStopPath: string
}

export interface WorkloadInput {
  readonly pool: ModelPool
  readonly settings: WorkloadSettings
  readonly launch: EngineLaunch
  readonly tokens: PoolTokens
  readonly poolRevision: string
  readonly servedModelName: string
}

/** Where the engine finds the base model, and how it gets there. */
export interface ModelPlace {
  /** Inside the engine's container. */
  readonly path: string
  /** An init container fills `model.cache`. */
  readonly isFetched: boolean
  /** A claim that is mounted as it is. */
  readonly claim?: { readonly name: string; readonly subPath: string }
}

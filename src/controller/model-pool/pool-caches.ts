import { labels, managedBy } from '../../api/cluster-names.ts'
import { createReflector, type ReflectorOptions } from '../../resources/kubernetes/reflector.ts'
import type { Transport } from '../../resources/kubernetes/transport.ts'
import type { KubeObject, Reflector, ResourceType } from '../../resources/kubernetes/types.ts'
import {
  deploymentType,
  disruptionBudgetType,
  networkPolicyType,
  podType,
  serviceAccountType,
  serviceType,
  type DeploymentObject,
  type PodObject,
} from './kube-shapes.ts'
import { poolKeyOfPod } from './pod-replicas.ts'

/** What was made for pools, as the API server has it. Secrets are never listed or watched. */
export interface PoolCaches {
  readonly pods: Reflector<PodObject>
  readonly deployments: Reflector<DeploymentObject>
  /** Services, ServiceAccounts, NetworkPolicies, PodDisruptionBudgets, by kind. */
  readonly others: ReadonlyMap<string, OtherCache>
  start(signal: AbortSignal): Promise<void>
  close(): Promise<void>
}

export interface OtherCache {
  readonly type: ResourceType
  readonly reflector: Reflector<KubeObject>
}

export const poolIndex = 'pool'

export function createPoolCaches(
  transport: Transport,
  options: Pick<ReflectorOptions<KubeObject>, 'logger' | 'timing'> = {},
): PoolCaches {
  const labelSelector = `${labels.managedBy}=${managedBy},${labels.component}=engine`
  const reflect = <T extends KubeObject>(type: ResourceType<T>): Reflector<T> =>
    createReflector<T>({
      transport,
      type,
      labelSelector,
      indexers: { [poolIndex]: (object) => [poolKeyOfPod(object)] },
      ...(options.logger === undefined ? {} : { logger: options.logger }),
      ...(options.timing === undefined ? {} : { timing: options.timing }),
    })
  const pods = reflect(podType)
  const deployments = reflect(deploymentType)
  const others = new Map<string, OtherCache>(
    [serviceType, serviceAccountType, networkPolicyType, disruptionBudgetType].map((type) => [
      type.kind,
      { type, reflector: reflect(type) },
    ]),
  )
  const all = [pods, deployments, ...[...others.values()].map(({ reflector }) => reflector)]
  return {
    pods,
    deployments,
    others,
    start: async (signal) => {
      await Promise.all(all.map((reflector) => reflector.start(signal)))
    },
    close: async () => {
      await Promise.all(all.map((reflector) => reflector.close()))
    },
  }
}

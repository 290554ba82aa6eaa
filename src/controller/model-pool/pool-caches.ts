import { annotations, labels, managedBy } from '../../api/cluster-names.ts'
import { readerObjectName } from '../../core/claim-reader.ts'
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
  /** What reads claims; pods by the key of their Deployment. */
  readonly readerPods: Reflector<PodObject>
  readonly readerDeployments: Reflector<DeploymentObject>
  start(signal: AbortSignal): Promise<void>
  close(): Promise<void>
}

export interface OtherCache {
  readonly type: ResourceType
  readonly reflector: Reflector<KubeObject>
}

export const poolIndex = 'pool'
export const readerIndex = 'reader'

export function createPoolCaches(
  transport: Transport,
  options: Pick<ReflectorOptions<KubeObject>, 'logger' | 'timing'> = {},
): PoolCaches {
  const reflect = <T extends KubeObject>(
    type: ResourceType<T>,
    component: 'engine' | 'reader' = 'engine',
  ): Reflector<T> =>
    createReflector<T>({
      transport,
      type,
      labelSelector: `${labels.managedBy}=${managedBy},${labels.component}=${component}`,
      indexers: {
        [poolIndex]: (object) => [poolKeyOfPod(object)],
        ...(component === 'reader' && {
          [readerIndex]: (object: KubeObject) => [readerKeyOfPod(object)],
        }),
      },
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
  const readerPods = reflect(podType, 'reader')
  const readerDeployments = reflect(deploymentType, 'reader')
  const ofReaders = [readerPods, readerDeployments]
  const all = [
    pods,
    deployments,
    ...ofReaders,
    ...[...others.values()].map(({ reflector }) => reflector),
  ]
  return {
    pods,
    deployments,
    others,
    readerPods,
    readerDeployments,
    start: async (signal) => {
      await Promise.all(all.map((reflector) => reflector.start(signal)))
    },
    close: async () => {
      await Promise.all(all.map((reflector) => reflector.close()))
    },
  }
}

function readerKeyOfPod({ metadata }: KubeObject): string {
  const pool = metadata.labels?.[labels.pool] ?? ''
  const claim = metadata.annotations?.[annotations.claim] ?? ''
  return `${metadata.namespace ?? ''}/${readerObjectName(pool, claim)}`
}

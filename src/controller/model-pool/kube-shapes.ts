import type { KubeObject, ResourceType } from '../../resources/kubernetes/types.ts'

/** The fields of Kubernetes' own objects that are read here. */
export interface PodObject extends KubeObject {
  readonly spec?: {
    readonly nodeName?: string
    readonly containers?: readonly ContainerShape[]
    readonly initContainers?: readonly ContainerShape[]
  }
  readonly status?: {
    readonly phase?: string
    readonly podIP?: string
    readonly conditions?: readonly ConditionShape[]
    readonly initContainerStatuses?: readonly ContainerStatusShape[]
    readonly containerStatuses?: readonly ContainerStatusShape[]
  }
}

interface ContainerShape {
  readonly name: string
  readonly ports?: readonly { readonly name?: string; readonly containerPort: number }[]
}

interface ContainerStatusShape {
  readonly name: string
  readonly restartCount?: number
  readonly state?: {
    readonly waiting?: { readonly reason?: string; readonly message?: string }
    readonly terminated?: { readonly reason?: string; readonly exitCode?: number }
  }
}

export interface ConditionShape {
  readonly type: string
  readonly status: string
  readonly reason?: string
  readonly message?: string
}

export interface DeploymentObject extends KubeObject {
  readonly spec?: {
    readonly replicas?: number
    readonly template?: { readonly metadata?: { readonly labels?: Record<string, string> } }
  }
  readonly status?: {
    readonly observedGeneration?: number
    readonly replicas?: number
    readonly updatedReplicas?: number
    readonly readyReplicas?: number
    readonly conditions?: readonly ConditionShape[]
  }
}

export const podType: ResourceType<PodObject> = core('Pod', 'pods')
export const serviceType = core('Service', 'services')
export const serviceAccountType = core('ServiceAccount', 'serviceaccounts')
export const secretType = core('Secret', 'secrets')
export const deploymentType: ResourceType<DeploymentObject> = {
  group: 'apps',
  version: 'v1',
  kind: 'Deployment',
  plural: 'deployments',
  namespaced: true,
}
export const networkPolicyType: ResourceType = {
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'NetworkPolicy',
  plural: 'networkpolicies',
  namespaced: true,
}
export const disruptionBudgetType: ResourceType = {
  group: 'policy',
  version: 'v1',
  kind: 'PodDisruptionBudget',
  plural: 'poddisruptionbudgets',
  namespaced: true,
}

function core(kind: string, plural: string): ResourceType {
  return { group: '', version: 'v1', kind, plural, namespaced: true }
}

export function portOf(pod: PodObject, name: string, otherwise: number): number {
  const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])]
  const port = containers.flatMap(({ ports }) => ports ?? []).find((one) => one.name === name)
  return port?.containerPort ?? otherwise
}

/** Its containers have ended for good: its address may be another pod's by now. */
export function isPodOver({ status }: PodObject): boolean {
  return status?.phase === 'Failed' || status?.phase === 'Succeeded'
}

export function isPodReady(pod: PodObject): boolean {
  return (
    pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ===
    true
  )
}

/** `http://10.0.3.7:8100`; IPv6 in brackets. */
export function urlOf(ip: string, port: number): string {
  return `http://${ip.includes(':') ? `[${ip}]` : ip}:${port}`
}

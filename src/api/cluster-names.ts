/**
 * What the processes of a cluster know each other and their objects by. Names of children are functions of the pool, so
 * that a controller that died halfway finds what it made (I12).
 */
export const labels = {
  /** On everything made for a pool; the value is its name, the namespace is the pool's own. */
  pool: 'loraplex.dev/pool',
  /** On pods and their Secret: `poolRevisionOf`. */
  poolRevision: 'loraplex.dev/pool-revision',
  /** On what reads a claim: a digest of its name, which may be longer than a label's value. */
  claim: 'loraplex.dev/claim',
  /** `engine`, `reader`, `gateway`, `controller`, `depot`. */
  component: 'app.kubernetes.io/component',
  managedBy: 'app.kubernetes.io/managed-by',
} as const

/** `app.kubernetes.io/managed-by` of what the controller makes. */
export const managedBy = 'loraplex'

export const annotations = {
  /** On replica pods: the base's name inside vLLM. */
  servedModelName: 'loraplex.dev/served-model-name',
  /** On what reads a claim: its name. */
  claim: 'loraplex.dev/claim',
} as const

/** Ports of a replica pod, by name and number. */
export const replicaPorts = { engine: 8000, agent: 8100 } as const

/** Ports of a gateway pod: tenants, operators, and the controller (`GET /v1/demand`). */
export const gatewayPorts = { http: 8080, admin: 9090, internal: 8090 } as const

export const depotPort = 8200

/** Port of a pod that reads a claim, and where it has it. */
export const readerPort = 8300
export const readerFolder = '/loraplex/claim'

/** Where a replica pod's containers see the same files: base weights, and adapters by digest. */
export const replicaPaths = { model: '/loraplex/model', adapters: '/loraplex/adapters' } as const

/** The Secret with the installation's secret, made by the controller in its own namespace; key `secret`, 32 bytes. */
export const installationSecretName = 'loraplex-installation'

export interface PodIdentity {
  readonly namespace: string
  readonly name: string
  readonly uid: string
}

/** A replica's name everywhere: what an agent says in its hello, so that a reused pod IP is noticed (DESIGN 2.11). */
export function replicaNameOf(pod: PodIdentity): string {
  return `${pod.namespace}/${pod.name}@${pod.uid}`
}

import type { ClusterAccess } from './cluster-access.ts'
import { inClusterAccess, isInCluster } from './in-cluster-access.ts'
import { kubeconfigAccess } from './kubeconfig-access.ts'

export interface ConnectOptions {
  /** `--kubeconfig`. */
  readonly kubeconfig?: string
  /** `--context`. */
  readonly context?: string
}

/** Where the cluster is: what was asked for, else the pod's own, else what kubectl would use. */
export async function connectToCluster(options: ConnectOptions = {}): Promise<ClusterAccess> {
  const { kubeconfig, context } = options
  const isAsked = kubeconfig !== undefined || context !== undefined
  if (!isAsked && (process.env['KUBECONFIG'] ?? '') === '' && isInCluster()) {
    return inClusterAccess()
  }
  return kubeconfigAccess({
    ...(kubeconfig === undefined ? {} : { file: kubeconfig }),
    ...(context === undefined ? {} : { context }),
  })
}

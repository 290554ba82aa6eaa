import type { ConnectOptions } from '../resources/kubernetes/connect.ts'

/** Of every command that talks to a cluster. */
export const clusterOptions = {
  context: { type: 'string', summary: 'Context of the kubeconfig', placeholder: 'name' },
  kubeconfig: {
    type: 'string',
    summary: "File to reach the cluster with; default: the pod's own account, else kubectl's",
    placeholder: 'file',
  },
} as const

export function connectionOf(options: {
  readonly context: string | undefined
  readonly kubeconfig: string | undefined
}): ConnectOptions {
  const { context, kubeconfig } = options
  return {
    ...(context === undefined ? {} : { context }),
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
  }
}

import type { KubeJson } from './product.ts'

export interface HostClaim {
  readonly namespace: string
  readonly name: string
  /** A folder of this machine, without links in its way. */
  readonly path: string
}

/**
 * A folder of the node as a claim, read-only: restricted pod security forbids `hostPath` in pods, and whoever may make
 * volumes decides instead.
 */
export function hostClaim({ namespace, name, path }: HostClaim): readonly KubeJson[] {
  const volumeName = `${namespace}-${name}`
  const common = { accessModes: ['ReadOnlyMany'], storageClassName: '' }
  return [
    {
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name: volumeName },
      spec: {
        ...common,
        capacity: { storage: '1Gi' },
        // The folder is the machine's: nobody may clear it.
        persistentVolumeReclaimPolicy: 'Retain',
        hostPath: { path, type: 'Directory' },
        claimRef: { namespace, name },
      },
    },
    {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { namespace, name },
      spec: { ...common, volumeName, resources: { requests: { storage: '1Gi' } } },
    },
  ]
}

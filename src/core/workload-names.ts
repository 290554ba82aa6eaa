import { labels, managedBy, replicaPaths } from '../api/cluster-names.ts'
import { apiVersion } from '../api/metadata.ts'
import type { ModelPool } from '../api/model-pool.ts'
import type { DesiredObject, ModelPlace } from './workload-input.ts'

/** Deployment, Service, ServiceAccount, NetworkPolicy and PodDisruptionBudget of a pool all have this name. */
export function engineObjectName(poolName: string): string {
  return `${poolName}-engine`
}

export function poolSecretName(poolName: string, poolRevision: string): string {
  return `${poolName}-${poolRevision}`
}

/** What selects a pool's pods, of whatever revision. */
export function podSelectorOf(poolName: string): Readonly<Record<string, string>> {
  return { [labels.pool]: poolName, [labels.component]: 'engine' }
}

/** Name, labels and owner: with the pool goes everything that was made for it, whoever is alive then. */
export function childMetadata(
  pool: ModelPool,
  name: string,
  extra: {
    readonly labels?: Record<string, string>
    readonly annotations?: Record<string, string>
  },
): DesiredObject['metadata'] {
  return {
    name,
    namespace: pool.metadata.namespace,
    labels: {
      ...podSelectorOf(pool.metadata.name),
      [labels.managedBy]: managedBy,
      ...extra.labels,
    },
    ...(extra.annotations === undefined ? {} : { annotations: extra.annotations }),
    ownerReferences: [
      {
        apiVersion,
        kind: 'ModelPool',
        name: pool.metadata.name,
        uid: pool.metadata.uid,
        controller: true,
        blockOwnerDeletion: false,
      },
    ],
  }
}

/**
 * A checkpoint that is on a claim or in the engine's own container is used where it is, unless `model.cache` asks for a
 * copy. The hub's is always fetched.
 */
export function modelPlaceOf(pool: ModelPool): ModelPlace {
  const { uri, cache } = pool.spec.model
  if (cache === undefined && uri.startsWith('file:')) {
    return { path: uri.replace(/^file:(\/\/)?/, '').replace(/\/$/, ''), isFetched: false }
  }
  const claim = /^pvc:\/\/([^/]+)(?:\/(.*))?$/.exec(uri)
  if (cache === undefined && claim?.[1] !== undefined) {
    const subPath = (claim[2] ?? '').replace(/\/$/, '')
    return { path: replicaPaths.model, isFetched: false, claim: { name: claim[1], subPath } }
  }
  return { path: replicaPaths.model, isFetched: true }
}

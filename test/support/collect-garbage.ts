import type { ApiServer } from './api-server.ts'
import type { KubeJson } from './product.ts'

/** Where a pool has what was made for it, but pods, which go with their Deployment. */
export const childCollections = [
  'apis/apps/v1/namespaces/NS/deployments',
  'apis/networking.k8s.io/v1/namespaces/NS/networkpolicies',
  'apis/policy/v1/namespaces/NS/poddisruptionbudgets',
  'api/v1/namespaces/NS/services',
  'api/v1/namespaces/NS/serviceaccounts',
  'api/v1/namespaces/NS/secrets',
] as const

/**
 * What kube-controller-manager does, which the integration tier does not have: an object goes once none of its owners is
 * there under the same uid. One without owners stays, whoever made it.
 */
export async function collectGarbage(api: ApiServer, namespace: string): Promise<void> {
  const pools = `/apis/loraplex.dev/v1alpha1/namespaces/${namespace}/modelpools`
  const { body } = await api.ask('GET', pools)
  const uids = new Set(body.items.map(({ metadata }: KubeJson) => metadata.uid))
  for (const collection of childCollections) {
    const path = `/${collection.replace('NS', namespace)}`
    for (const { metadata } of (await api.ask('GET', path)).body.items) {
      const owners: readonly { uid: string }[] = metadata.ownerReferences ?? []
      if (owners.length > 0 && owners.every(({ uid }) => !uids.has(uid))) {
        await api.ask('DELETE', `${path}/${metadata.name}`, {
          preconditions: { uid: metadata.uid },
        })
      }
    }
  }
}

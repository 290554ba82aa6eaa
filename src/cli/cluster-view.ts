import { kinds, type AnyResource, type Kind, type ResourceSnapshot } from '../api/kinds.ts'
import { keyOf } from '../api/metadata.ts'
import type { StatusByKind } from '../api/condition.ts'
import { UserError } from '../errors.ts'
import type { ClusterAccess } from '../resources/kubernetes/cluster-access.ts'
import { isKubeError, KubeApiError } from '../resources/kubernetes/kube-api-error.ts'
import { createKubeClient } from '../resources/kubernetes/kube-client.ts'
import { readResource } from '../resources/kubernetes/read-resource.ts'
import { readResourceStatus } from '../resources/kubernetes/read-resource-status.ts'
import { resourceTypes, type WireResource } from '../resources/kubernetes/resource-types.ts'
import { createTransport } from '../resources/kubernetes/transport.ts'
import type { KubeClient } from '../resources/kubernetes/types.ts'
import type { ResourceProblem } from '../resources/resource-source.ts'
import type { ResourceView } from './resource-view.ts'

/**
 * What an API server has, of one namespace or of all. Kinds that this account may not list are problems, not the end.
 *
 * @throws UserError where the cluster cannot be reached or nothing of it may be seen.
 */
export async function viewCluster(
  access: ClusterAccess,
  namespace: string | undefined,
): Promise<ResourceView> {
  const lists = await withCluster(access, (client) => listKinds(client, namespace))
  const problems: ResourceProblem[] = lists.flatMap(({ refused }) => refused ?? [])
  if (problems.length === lists.length) {
    throw new UserError(
      `${problems.map(({ message }) => message).join('\n')}\nName a namespace that you may see with -n, or ask for the ClusterRole view.`,
    )
  }
  const resources = new Map<Kind, Map<string, AnyResource>>()
  const statuses = new Map<string, StatusByKind[Kind]>()
  for (const { kind, items } of lists) {
    const found = new Map<string, AnyResource>()
    for (const object of items) {
      const read = readResource(kind, object)
      problems.push(...read.problems)
      if (read.resource !== undefined) {
        const key = keyOf(read.resource.metadata)
        found.set(key, read.resource)
        const status = readResourceStatus(kind, object)
        if (status !== undefined) {
          statuses.set(`${kind}/${key}`, status)
        }
      }
    }
    resources.set(kind, found)
  }
  return {
    place: placeOf(access),
    headline: `cluster ${access.origin}, ${access.url}`,
    snapshot: snapshotOf(resources),
    // Each was put there by its kind.
    statusOf: (kind, key) => statuses.get(`${kind}/${key}`) as never,
    problems,
    checkCommand: undefined,
  }
}

export function placeOf(access: ClusterAccess): string {
  return `the cluster (${access.origin})`
}

/**
 * One command's connection. @throws UserError in the cluster's words
 */
export async function withCluster<T>(
  access: ClusterAccess,
  use: (client: KubeClient) => Promise<T>,
): Promise<T> {
  const transport = createTransport(access, { userAgent: 'loraplex-cli' })
  try {
    return await use(createKubeClient({ transport, retries: 1, readTimeoutMs: 15_000 }))
  } catch (error) {
    if (error instanceof KubeApiError) {
      throw new UserError(`The cluster (${access.origin}) did not do it: ${error.message}`)
    }
    throw error
  } finally {
    await transport.close()
  }
}

interface KindList {
  readonly kind: Kind
  readonly items: readonly WireResource[]
  readonly refused?: ResourceProblem
}

function listKinds(client: KubeClient, namespace: string | undefined): Promise<KindList[]> {
  return Promise.all(
    (Object.keys(kinds) as Kind[]).map(async (kind): Promise<KindList> => {
      const where = kinds[kind].namespaced && namespace !== undefined ? { namespace } : {}
      try {
        const { items } = await client.list(resourceTypes[kind], where)
        return { kind, items }
      } catch (error) {
        if (isKubeError(error, 'Forbidden')) {
          const { message } = error
          return { kind, items: [], refused: { where: kind, message, severity: 'Error' } }
        }
        if (isKubeError(error, 'NotFound')) {
          throw new UserError(
            'This cluster does not know our kinds. Install the chart, or: loraplex crds | kubectl apply --server-side -f -',
          )
        }
        throw error
      }
    }),
  )
}

function snapshotOf(
  resources: ReadonlyMap<Kind, ReadonlyMap<string, AnyResource>>,
): ResourceSnapshot {
  const none = new Map()
  return {
    // Each map holds the kind it is named after.
    pools: (resources.get('ModelPool') ?? none) as ResourceSnapshot['pools'],
    adapters: (resources.get('LoraAdapter') ?? none) as ResourceSnapshot['adapters'],
    tenants: (resources.get('ModelTenant') ?? none) as ResourceSnapshot['tenants'],
    keys: (resources.get('TenantKey') ?? none) as ResourceSnapshot['keys'],
    namespaces: new Map(),
    secrets: new Map(),
    baseFolders: new Map(),
  }
}

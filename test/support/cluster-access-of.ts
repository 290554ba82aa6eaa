import type { ClusterAccess } from '../../src/resources/kubernetes/cluster-access.ts'
import type { ApiAccess } from './api-server.ts'

/** Somebody of the test's API server, as the product sees a cluster. */
export function clusterAccessOf({ url, ca, cert, key, token }: ApiAccess): ClusterAccess {
  const credentials = {
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    tls: { ca, ...(cert === undefined ? {} : { cert }), ...(key === undefined ? {} : { key }) },
  }
  return {
    url,
    namespace: 'default',
    origin: 'test',
    credentials: () => Promise.resolve(credentials),
  }
}

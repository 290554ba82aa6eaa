import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ClusterAccess } from '../../src/resources/kubernetes/cluster-access.ts'

/** A server on loopback that stands where an API server does, and asks nobody who comes. */
export function plainAccess(server: Server): ClusterAccess {
  const { port } = server.address() as AddressInfo
  const credentials = { headers: {}, tls: {} }
  return {
    url: `http://127.0.0.1:${port}`,
    namespace: 'default',
    origin: 'test',
    credentials: () => Promise.resolve(credentials),
  }
}

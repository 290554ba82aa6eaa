import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { apiServiceAddress, bridge } from './cluster-addresses.ts'
import { shell } from './cluster-shell.ts'

/** Makes this network namespace a node's: a bridge for pods, and a default route, so that cluster addresses lead somewhere. */
export async function setUpNetwork(): Promise<void> {
  await shell('ip', 'link', 'set', 'lo', 'up')
  await shell('ip', 'link', 'add', bridge.name, 'type', 'bridge')
  await shell('ip', 'address', 'add', `${bridge.address}/16`, 'dev', bridge.name)
  await shell('ip', 'link', 'set', bridge.name, 'up')
  await shell('ip', 'route', 'add', 'default', 'via', bridge.address)
  await shell('sysctl', '-qw', 'net.ipv4.ip_forward=1')
}

/**
 * Pods reach the API server by its Service's address, which its certificate has to name: envtest puts the addresses there
 * that the Service's name has on this machine. The mount ends with the namespaces.
 */
export async function nameApiService(state: string): Promise<void> {
  const hosts = join(state, 'hosts')
  // All of them: the others would be looked for in the network, and a lookup may take half a second in all.
  const names = ['', '.default', '.default.svc', '.default.svc.cluster.local']
  const lines = names.map((suffix) => `${apiServiceAddress} kubernetes${suffix}\n`)
  await writeFile(hosts, `127.0.0.1 localhost\n${lines.join('')}`)
  await shell('mount', '--bind', hosts, '/etc/hosts')
}

/** How containerd connects a pod. */
export const networkConfig = {
  cniVersion: '0.4.0',
  name: 'loraplex-testbed',
  plugins: [
    {
      type: 'bridge',
      bridge: bridge.name,
      isGateway: true,
      // A pod may reach itself through its own Service.
      hairpinMode: true,
      ipam: {
        type: 'host-local',
        ranges: [[{ subnet: bridge.podRange }]],
        routes: [{ dst: '0.0.0.0/0' }],
      },
    },
  ],
}

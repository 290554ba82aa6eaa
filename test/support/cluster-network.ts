import { bridge } from './cluster-addresses.ts'
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

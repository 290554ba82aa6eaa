import { BlockList, isIP } from 'node:net'

/** IANA's special-purpose registries: what no public host has. */
const special = new BlockList()
const specialV4: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  // Link-local, and with it the metadata service of every cloud.
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
]
for (const [network, prefix] of specialV4) {
  special.addSubnet(network, prefix, 'ipv4')
}
// Inside the global range: protocol assignments with Teredo, documentation, and 6to4, which carries an IPv4 address.
special.addSubnet('2001::', 23, 'ipv6')
special.addSubnet('2001:db8::', 32, 'ipv6')
special.addSubnet('2002::', 16, 'ipv6')
special.addSubnet('3fff::', 20, 'ipv6')

const global = new BlockList()
global.addSubnet('2000::', 3, 'ipv6')

/** Addresses that carry an IPv4 one in their last 32 bits: mapped, and NAT64. */
const carriers = new BlockList()
carriers.addSubnet('::ffff:0:0', 96, 'ipv6')
carriers.addSubnet('64:ff9b::', 96, 'ipv6')

/** Whether an address is somebody's on the internet: not this machine's, the cluster's, nor a metadata service's. */
export function isPublicAddress(address: string): boolean {
  const plain = address.replace(/%.*$/, '')
  switch (isIP(plain)) {
    case 4:
      return !special.check(plain, 'ipv4')
    case 6: {
      const carried = carriers.check(plain, 'ipv6') ? lastFour(plain) : undefined
      return carried === undefined
        ? global.check(plain, 'ipv6') && !special.check(plain, 'ipv6')
        : isPublicAddress(carried)
    }
    default:
      return false
  }
}

function lastFour(address: string): string {
  // The URL parser writes every form as hexadecimal groups.
  const groups = new URL(`http://[${address}]/`).hostname.slice(1, -1).split(':')
  const [high, low] = groups.slice(-2).map((group) => Number.parseInt(group || '0', 16))
  const value = (high ?? 0) * 65_536 + (low ?? 0)
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.')
}

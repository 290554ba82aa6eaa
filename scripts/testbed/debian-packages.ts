import { access } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { UserError } from '../../src/errors.ts'
import { testbedFolder } from '../../test/support/testbed-folder.ts'
import { timed } from './progress.ts'
import { runLogged } from './run-logged.ts'

/** A package of Debian and a file by which to know that it is there, however it came. */
const packages: Readonly<Record<string, readonly string[]>> = {
  runc: ['/usr/sbin/runc', '/usr/bin/runc'],
  podman: ['/usr/bin/podman'],
  'containernetworking-plugins': ['/usr/lib/cni/bridge'],
  nftables: ['/usr/sbin/nft'],
  conntrack: ['/usr/sbin/conntrack'],
  iproute2: ['/usr/sbin/ip', '/sbin/ip'],
  debootstrap: ['/usr/sbin/debootstrap'],
}

/** Installs what a node needs besides our own programs. Debian and its descendants; needs root where anything is missing. */
export async function prepareDebianPackages(): Promise<void> {
  const missing = await missingPackages()
  if (missing.length === 0) {
    return
  }
  if (process.getuid?.() !== 0) {
    throw new UserError(
      `A node needs these packages: ${missing.join(' ')}.\nInstall them as root: apt-get install --no-install-recommends ${missing.join(' ')}`,
    )
  }
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  const log = join(testbedFolder(), 'build.log')
  await timed(`installing ${missing.join(' ')}`, async () => {
    await runLogged('apt-get', ['update', '-qq'], { env, log })
    const patience = ['-o', 'DPkg::Lock::Timeout=300']
    const install = ['install', '-y', '-qq', '--no-install-recommends', ...patience, ...missing]
    await runLogged('apt-get', install, { env, log })
  })
}

export async function missingPackages(): Promise<readonly string[]> {
  const missing = await Promise.all(
    Object.entries(packages).map(async ([name, files]) => {
      const found = await Promise.any(files.map((file) => access(file))).then(
        () => true,
        () => false,
      )
      return found ? [] : [name]
    }),
  )
  return missing.flat()
}

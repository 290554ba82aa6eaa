import { access, cp, mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { testbedFolder } from '../../test/support/testbed-folder.ts'
import { timed } from './progress.ts'
import { runLogged } from './run-logged.ts'

const suite = 'bookworm'

/** Where npm keeps what it has fetched, in that image. */
export const npmCache = '/var/cache/npm'

/**
 * The root file system of a Debian with Node and npm, as an archive: what the Dockerfile's `BUILD_IMAGE` is where no
 * registry can be reached. Node is the one that runs this, which is the lockfile's.
 */
export async function prepareBaseImage(): Promise<string> {
  const folder = testbedFolder()
  const archive = join(folder, `base-${suite}-node-${process.versions.node}.tar`)
  if (await exists(archive)) {
    return archive
  }
  const log = join(folder, 'build.log')
  await timed(`making a root file system of Debian ${suite}`, async () => {
    const work = await mkdtemp(join(tmpdir(), 'loraplex-base-'))
    try {
      const root = join(work, 'root')
      await runLogged('debootstrap', ['--variant=minbase', suite, root], { log })
      const leftovers = ['var/cache/apt', 'var/lib/apt/lists', 'usr/share/doc', 'usr/share/locale']
      await Promise.all(
        leftovers.map((path) => rm(join(root, path), { recursive: true, force: true })),
      )
      await addNode(root, log)
      const unfinished = `${archive}.unfinished`
      await runLogged('tar', ['-C', root, '-cf', unfinished, '.'], { log })
      await rename(unfinished, archive)
    } finally {
      await rm(work, { recursive: true, force: true })
    }
  })
  return archive
}

async function addNode(root: string, log: string): Promise<void> {
  const local = join(root, 'usr', 'local')
  await cp(process.execPath, join(local, 'bin', 'node'))
  const npm = join((await runLogged('npm', ['root', '--global'], { log })).trim(), 'npm')
  const target = join(local, 'lib', 'node_modules', 'npm')
  await mkdir(dirname(target), { recursive: true })
  await cp(npm, target, { recursive: true, dereference: true })
  await symlink('../lib/node_modules/npm/bin/npm-cli.js', join(local, 'bin', 'npm'))
  await mkdir(join(local, 'etc'), { recursive: true })
  await writeFile(join(local, 'etc', 'npmrc'), `cache=${npmCache}\n`)
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

import { chmod, mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { spawnSync } from 'node:child_process'
import { UserError } from '../../src/errors.ts'
import { testbedFolder } from '../../test/support/testbed-folder.ts'
import { takeLock } from '../take-lock.ts'
import { findStale } from './find-stale.ts'
import { say, timed } from './progress.ts'
import type { ProgramGroup } from './programs.ts'

/** Builds from Go modules what is not there yet, into the test bed's folder; answers the folder. */
export async function preparePrograms(groups: readonly ProgramGroup[]): Promise<string> {
  const folder = testbedFolder()
  await mkdir(folder, { recursive: true })
  if ((await Promise.all(groups.map((group) => findStale(folder, group)))).flat().length === 0) {
    return folder
  }
  await using _lock = await takeLock(join(folder, '.lock'), (owner) =>
    say(`process ${owner} is building already; waiting for it`),
  )
  for (const group of groups) {
    const stale = await findStale(folder, group)
    if (stale.length > 0) {
      requireGo()
      await timed(`building ${stale.join(', ')}`, () => buildGroup(folder, group, stale))
    }
  }
  return folder
}

async function buildGroup(
  folder: string,
  group: ProgramGroup,
  stale: readonly string[],
): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), 'loraplex-testbed-'))
  try {
    const unfinished = (name: string): string => join(folder, `.${name}.unfinished`)
    const log = join(folder, 'build.log')
    await group.build({ folder: work, log, output: unfinished }, stale)
    for (const name of stale) {
      // Whole or not at all: somebody may be running the tests meanwhile.
      await chmod(unfinished(name), 0o755)
      await rename(unfinished(name), join(folder, name))
    }
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

function requireGo(): void {
  if (spawnSync('go', ['version'], { stdio: 'ignore' }).status !== 0) {
    throw new UserError(
      'The programs of a Kubernetes node are built from their Go modules, and there is no `go` on the PATH.\nInstall Go (any since 1.21 fetches the version it needs), or set KUBEBUILDER_ASSETS to a folder with kube-apiserver and etcd for the integration tier.',
    )
  }
}

import { access, copyFile, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { tmpdir } from 'node:os'
import { testbedFolder } from '../../test/support/testbed-folder.ts'
import { Podman } from './podman.ts'
import { timed } from './progress.ts'

/** The image of the process that holds a pod's network; `pause` is built already. */
export async function preparePauseImage(): Promise<void> {
  const folder = testbedFolder()
  const archive = join(folder, 'pause.tar')
  if (await exists(archive)) {
    return
  }
  await timed('building the pause image', async () => {
    const context = await mkdtemp(join(tmpdir(), 'loraplex-pause-'))
    await using podman = await Podman.create(join(folder, 'build.log'))
    try {
      await copyFile(join(folder, 'pause'), join(context, 'pause'))
      const recipe = 'FROM scratch\nCOPY pause /pause\nENTRYPOINT ["/pause"]\n'
      await writeFile(join(context, 'Dockerfile'), recipe)
      await podman.build(context, 'localhost/pause:1')
      await podman.save('localhost/pause:1', `${archive}.unfinished`)
      await rename(`${archive}.unfinished`, archive)
    } finally {
      await rm(context, { recursive: true, force: true })
    }
  })
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

import { mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { randomUUID } from 'node:crypto'

/**
 * Replaces a file so that a reader, or a machine that loses power, sees the old or the new text and nothing between.
 *
 * @throws what the file system throws; the old file is then untouched and no temporary one is left.
 */
export async function atomicWrite(path: string, text: string, mode = 0o600): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const temporary = `${path}.${randomUUID()}.tmp`
  try {
    await using handle = await open(temporary, 'wx', mode)
    await handle.writeFile(text)
    await handle.sync()
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

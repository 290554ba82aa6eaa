import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'

const markerName = '.loraplex-model.json'

const doneMarker = z.object({
  uri: z.string(),
  commit: z.string(),
  files: z.array(z.object({ path: z.string(), sizeBytes: z.int().min(0) })),
})

/** Written last: what a folder was filled from, and with what. */
export type DoneMarker = z.infer<typeof doneMarker>

export async function readMarker(folder: string): Promise<DoneMarker | undefined> {
  try {
    const parsed = doneMarker.safeParse(
      JSON.parse(await readFile(join(folder, markerName), 'utf8')),
    )
    return parsed.success ? parsed.data : undefined
  } catch {
    return undefined
  }
}

/** Whether everything it names still has its length: hashes of 100 GB at every start would cost minutes. */
export async function isWhole(folder: string, { files }: DoneMarker): Promise<boolean> {
  const sizes = await Promise.all(
    files.map(({ path }) => stat(join(folder, path)).catch(() => undefined)),
  )
  return sizes.every((found, index) => found?.size === files[index]?.sizeBytes)
}

export async function writeMarker(folder: string, marker: DoneMarker): Promise<void> {
  const path = join(folder, markerName)
  await writeFile(`${path}.new`, JSON.stringify(marker))
  await rename(`${path}.new`, path)
}

export async function removeMarker(folder: string): Promise<void> {
  await rm(join(folder, markerName), { force: true })
}

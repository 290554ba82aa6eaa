import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { pack } from 'tar-stream'

export interface TarFile {
  readonly name: string
  readonly path: string
  /** From the start of the file; default: all of it. */
  readonly sizeBytes?: number
}

/** Files as one tar stream, read as they are sent. An error of the disk breaks the stream off. */
export function tarOf(files: readonly TarFile[]): Readable {
  const tar = pack()
  void feed(tar, files).catch((error: unknown) =>
    tar.destroy(error instanceof Error ? error : undefined),
  )
  return Readable.from(tar, { objectMode: false })
}

export function filesOf(folder: string, names: readonly string[]): readonly TarFile[] {
  return names.map((name) => ({ name, path: join(folder, name) }))
}

async function feed(tar: ReturnType<typeof pack>, files: readonly TarFile[]): Promise<void> {
  for (const { name, path, sizeBytes } of files) {
    const size = sizeBytes ?? (await stat(path)).size
    if (size === 0) {
      tar.entry({ name, size })
    } else {
      await pipeline(createReadStream(path, { end: size - 1 }), tar.entry({ name, size }))
    }
  }
  tar.finalize()
}

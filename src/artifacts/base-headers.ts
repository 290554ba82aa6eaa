import { open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { baseFileName } from './depot/base-shelf.ts'
import type { TarFile } from './depot/adapter-tar.ts'
import { maxHeaderBytes } from './safetensors.ts'

/** The files of a base that preflight reads, weights up to the end of their headers. Empty: there is no checkpoint. */
export async function headersOf(folder: string): Promise<readonly TarFile[]> {
  const names = (await readdir(folder).catch(() => [])).filter((name) => baseFileName.test(name))
  if (!names.includes('config.json')) {
    return []
  }
  const files = await Promise.all(
    names.toSorted().map(async (name) => {
      const path = join(folder, name)
      const sizeBytes = name.endsWith('.safetensors')
        ? await headerEndOf(path)
        : (await stat(path)).size
      return sizeBytes === undefined ? [] : [{ name, path, sizeBytes }]
    }),
  )
  return files.flat()
}

/** Undefined where it has no header that could be read. */
async function headerEndOf(path: string): Promise<number | undefined> {
  const file = await open(path)
  try {
    const prefix = Buffer.alloc(8)
    const { bytesRead } = await file.read(prefix, 0, 8, 0)
    const length = prefix.readBigUInt64LE()
    const { size } = await file.stat()
    const end = 8 + Number(length)
    return bytesRead === 8 && length <= BigInt(maxHeaderBytes) && end <= size ? end : undefined
  } finally {
    await file.close()
  }
}

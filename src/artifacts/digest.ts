import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { adapterFileNames } from './adapter-files.ts'
import type { AdapterFileName } from './adapter-files.ts'

const pieceBytes = 1 << 20
const digestPattern = /^[0-9a-f]{64}$/

export function isDigest(text: string): boolean {
  return digestPattern.test(text)
}

/** An adapter's digest from the SHA-256 (hex) of its files. */
export function digestOf(fileDigests: Readonly<Record<AdapterFileName, string>>): string {
  const lines = adapterFileNames.map((name) => `${fileDigests[name]}  ${name}\n`)
  return createHash('sha256').update(lines.join('')).digest('hex')
}

/**
 * What `cd FOLDER && sha256sum adapter_config.json adapter_model.safetensors | sha256sum` prints, in hex.
 * Rejects with Node's own error where a file is missing or unreadable, with the signal's reason where it aborts.
 */
export async function digestFolder(folder: string, signal?: AbortSignal): Promise<string> {
  const [config, weights] = await Promise.all(
    adapterFileNames.map((name) => sha256OfFile(join(folder, name), signal)),
  )
  return digestOf({
    'adapter_config.json': config ?? '',
    'adapter_model.safetensors': weights ?? '',
  })
}

async function sha256OfFile(path: string, signal: AbortSignal | undefined): Promise<string> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    return await sha256OfHandle(handle, signal)
  } finally {
    await handle.close()
  }
}

/** SHA-256 in hex of an open file from its start, read in pieces of 1 MiB. */
export async function sha256OfHandle(handle: FileHandle, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of contentOf(handle, signal)) {
    hash.update(chunk)
  }
  return hash.digest('hex')
}

/** An open file from its start, whatever was read of it before. Each piece is valid until the next is asked for. */
export async function* contentOf(
  handle: FileHandle,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.allocUnsafe(pieceBytes)
  for (let position = 0; ;) {
    signal?.throwIfAborted()
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, position)
    if (bytesRead === 0) {
      return
    }
    position += bytesRead
    yield buffer.subarray(0, bytesRead)
  }
}

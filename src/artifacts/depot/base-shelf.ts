import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { createWriteStream } from 'node:fs'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { extract } from 'tar-stream'
import { codeOf } from '../storage-error.ts'

/** What of a base preflight reads: its config, its index, and weights that end after their headers. */
export const baseFileName =
  /^(?:config\.json|model\.safetensors\.index\.json|[A-Za-z0-9][\w.-]{0,200}\.safetensors)$/

/** 400 shards of a very large model have 40 MB of headers. */
const maxBaseBytes = 512 * 1024 * 1024
const maxBaseFiles = 4096

/** A tar of a base that is not one. The message is for the agent's log. */
export class BaseRefused extends Error {
  override readonly name = 'BaseRefused'
}

/** Headers of base models by key, as agents that have the base sent them. */
export class BaseShelf {
  readonly #root: string

  private constructor(root: string) {
    this.#root = root
  }

  static async open(root: string): Promise<BaseShelf> {
    await mkdir(root, { recursive: true })
    for (const name of await readdir(root)) {
      if (name.startsWith('.')) {
        await rm(join(root, name), { recursive: true, force: true })
      }
    }
    return new BaseShelf(root)
  }

  /** Where its files are; undefined while nobody has sent them. */
  async pathOf(key: string): Promise<string | undefined> {
    const path = join(this.#root, key)
    const found = await stat(path).catch(() => undefined)
    return found?.isDirectory() === true ? path : undefined
  }

  /** What is there stays. @throws BaseRefused. */
  async put(key: string, tar: Readable): Promise<'Stored' | 'AlreadyThere'> {
    if ((await this.pathOf(key)) !== undefined) {
      tar.resume()
      return 'AlreadyThere'
    }
    const staging = join(this.#root, `.${randomUUID()}`)
    await mkdir(staging)
    try {
      await unpack(tar, staging)
      await rename(staging, join(this.#root, key))
      return 'Stored'
    } catch (error) {
      // Another replica of the pool was faster.
      if ((await this.pathOf(key)) !== undefined) {
        return 'AlreadyThere'
      }
      // An errno is the disk's, everything else the reader's opinion of the bytes.
      throw error instanceof BaseRefused || codeOf(error)?.startsWith('E') === true
        ? error
        : new BaseRefused('The tar is cut off, or none.', { cause: error })
    } finally {
      await rm(staging, { recursive: true, force: true })
    }
  }
}

async function unpack(tar: Readable, folder: string): Promise<void> {
  const reader = extract()
  // An error of the stream ends the loop below, which tells it.
  const feeding = pipeline(tar, reader).catch(() => undefined)
  const names = new Set<string>()
  let bytes = 0
  for await (const entry of reader) {
    const { name, type, size } = entry.header
    bytes += size
    if (type !== 'file' || !baseFileName.test(name) || names.has(name)) {
      throw new BaseRefused('The tar holds something that is no file of a base model.')
    }
    if (bytes > maxBaseBytes || names.size >= maxBaseFiles) {
      throw new BaseRefused('The tar is larger than the headers of any base model.')
    }
    names.add(name)
    await pipeline(
      entry as unknown as AsyncIterable<Uint8Array>,
      createWriteStream(join(folder, name), { flags: 'wx' }),
    )
  }
  await feeding
  if (!names.has('config.json')) {
    throw new BaseRefused('The tar holds no config.json.')
  }
}

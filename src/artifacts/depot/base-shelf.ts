import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises'
import { createWriteStream } from 'node:fs'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { prefixOfBaseKey } from '../../wire/depot-protocol.ts'
import { codeOf } from '../storage-error.ts'
import type { StorageRoom } from '../storage-room.ts'
import { tarEntries } from '../tar-entries.ts'
import { ageOf } from './grant-book.ts'

/** What of a base preflight reads: its config, its index, and weights that end after their headers. */
export const baseFileName =
  /^(?:config\.json|model\.safetensors\.index\.json|[A-Za-z0-9][\w.-]{0,200}\.safetensors)$/

/** 400 shards of a very large model have 40 MB of headers. */
const maxBaseBytes = 512 * 1024 * 1024
const maxBaseFiles = 4096
/** Of one pool: its base, and what it was before. */
const maxPoolBases = 4

/** A tar of a base that is not one. The message is for the agent's log. */
export class BaseRefused extends Error {
  override readonly name = 'BaseRefused'
}

/** Headers of base models by key, as agents that have the base sent them. */
export class BaseShelf {
  readonly #root: string
  readonly #room: StorageRoom | undefined

  private constructor(root: string, room: StorageRoom | undefined) {
    this.#root = root
    this.#room = room
  }

  static async open(root: string, room?: StorageRoom): Promise<BaseShelf> {
    await mkdir(root, { recursive: true })
    for (const name of await readdir(root)) {
      if (name.startsWith('.')) {
        await rm(join(root, name), { recursive: true, force: true })
      } else {
        room?.count(await sizeOf(join(root, name)))
      }
    }
    return new BaseShelf(root, room)
  }

  /** Where its files are; undefined while nobody has sent them. */
  async pathOf(key: string): Promise<string | undefined> {
    const path = join(this.#root, key)
    const found = await stat(path).catch(() => undefined)
    return found?.isDirectory() === true ? path : undefined
  }

  /** Somebody asked for it: it is needed from now on. */
  async touch(key: string): Promise<void> {
    const now = new Date()
    await utimes(join(this.#root, key), now, now).catch(() => undefined)
  }

  /** With the milliseconds since somebody asked last. */
  async list(): Promise<readonly { readonly key: string; readonly ageMs: number }[]> {
    const keys = (await readdir(this.#root)).filter((name) => !name.startsWith('.'))
    return Promise.all(
      keys.map(async (key) => ({ key, ageMs: (await ageOf(join(this.#root, key))) ?? 0 })),
    )
  }

  /** False where there was nothing. The name is gone at once; the bytes follow. */
  async delete(key: string): Promise<boolean> {
    const path = join(this.#root, key)
    const aside = join(this.#root, `.${randomUUID()}`)
    const sizeBytes = await sizeOf(path).catch(() => 0)
    try {
      await rename(path, aside)
    } catch (error) {
      if (codeOf(error) === 'ENOENT') {
        return false
      }
      throw error
    }
    await rm(aside, { recursive: true, force: true })
    this.#room?.give(sizeBytes)
    return true
  }

  /** What is there stays. @throws BaseRefused; StorageError. */
  async put(key: string, tar: Readable): Promise<'Stored' | 'AlreadyThere'> {
    if ((await this.pathOf(key)) !== undefined) {
      tar.resume()
      return 'AlreadyThere'
    }
    const staging = join(this.#root, `.${randomUUID()}`)
    await mkdir(staging)
    const taken = { bytes: 0 }
    try {
      await unpack(tar, staging, (bytes) => {
        this.#room?.take(bytes)
        taken.bytes += bytes
      })
      await rename(staging, join(this.#root, key))
      taken.bytes = 0
      await this.#dropOthers(key)
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
      this.#room?.give(taken.bytes)
    }
  }

  /** A pool has one base at a time; what an agent sends under other names is not kept without end. */
  async #dropOthers(key: string): Promise<void> {
    const prefix = prefixOfBaseKey(key)
    const others = (await this.list()).filter((it) => it.key.startsWith(prefix) && it.key !== key)
    const old = others.toSorted((a, b) => a.ageMs - b.ageMs).slice(maxPoolBases - 1)
    for (const other of old) {
      await this.delete(other.key)
    }
  }
}

async function sizeOf(folder: string): Promise<number> {
  const sizes = (await readdir(folder)).map(async (name) => (await stat(join(folder, name))).size)
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
}

async function unpack(tar: Readable, folder: string, take: (bytes: number) => void): Promise<void> {
  const names = new Set<string>()
  let bytes = 0
  for await (const { header, content } of tarEntries(tar)) {
    const { name, type, size } = header
    bytes += size
    if (type !== 'file' || !baseFileName.test(name) || names.has(name)) {
      throw new BaseRefused('The tar holds something that is no file of a base model.')
    }
    if (bytes > maxBaseBytes || names.size >= maxBaseFiles) {
      throw new BaseRefused('The tar is larger than the headers of any base model.')
    }
    names.add(name)
    take(size)
    await pipeline(content, createWriteStream(join(folder, name), { flags: 'wx' }))
  }
  if (!names.has('config.json')) {
    throw new BaseRefused('The tar holds no config.json.')
  }
}

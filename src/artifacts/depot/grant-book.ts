import { createHash } from 'node:crypto'
import { mkdir, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isDigest } from '../digest.ts'
import { codeOf } from '../storage-error.ts'

/**
 * Which pool may have which content: one empty file each, so that a crash leaves whole grants only. A pool is granted a
 * digest when an adapter's own source gave it out on the adapter's own credentials.
 */
export class GrantBook {
  readonly #root: string

  private constructor(root: string) {
    this.#root = root
  }

  static async open(root: string): Promise<GrantBook> {
    await mkdir(root, { recursive: true })
    return new GrantBook(root)
  }

  async grant(poolKey: string, digest: string): Promise<void> {
    const folder = this.#folderOf(poolKey)
    await mkdir(folder, { recursive: true })
    const path = join(folder, digest)
    await writeFile(path, '')
    const now = new Date()
    await utimes(path, now, now)
  }

  async has(poolKey: string, digest: string): Promise<boolean> {
    return (await ageOf(join(this.#folderOf(poolKey), digest))) !== undefined
  }

  async of(poolKey: string): Promise<ReadonlySet<string>> {
    const names = await readdir(this.#folderOf(poolKey)).catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT') {
        return []
      }
      throw error
    })
    return new Set(names)
  }

  /** Which digests some pool stands for and was granted, and of the other grants, the milliseconds since the last one. */
  async survey(
    keep: Readonly<Record<string, readonly string[]>>,
  ): Promise<{ readonly kept: ReadonlySet<string>; readonly loose: ReadonlyMap<string, number> }> {
    const kept = new Set<string>()
    const loose = new Map<string, number>()
    await this.#each(keep, async (path, digest, isKept) => {
      if (isKept) {
        kept.add(digest)
      } else {
        const ageMs = (await ageOf(path)) ?? Number.POSITIVE_INFINITY
        loose.set(digest, Math.min(ageMs, loose.get(digest) ?? Number.POSITIVE_INFINITY))
      }
    })
    return { kept, loose }
  }

  /** Takes back what is older than this and not kept. */
  async dropLoose(
    keep: Readonly<Record<string, readonly string[]>>,
    minAgeMs: number,
  ): Promise<void> {
    await this.#each(keep, async (path, _digest, isKept) => {
      if (!isKept && ((await ageOf(path)) ?? 0) >= minAgeMs) {
        await rm(path, { force: true })
      }
    })
  }

  async #each(
    keep: Readonly<Record<string, readonly string[]>>,
    visit: (path: string, digest: string, isKept: boolean) => Promise<void>,
  ): Promise<void> {
    const kept = new Map(
      Object.entries(keep).map(([poolKey, digests]) => [folderName(poolKey), new Set(digests)]),
    )
    for (const pool of await readdir(this.#root)) {
      const folder = join(this.#root, pool)
      for (const digest of (await readdir(folder)).filter(isDigest)) {
        await visit(join(folder, digest), digest, kept.get(pool)?.has(digest) === true)
      }
    }
  }

  #folderOf(poolKey: string): string {
    return join(this.#root, folderName(poolKey))
  }
}

function folderName(poolKey: string): string {
  return createHash('sha256').update(poolKey).digest('hex')
}

/** Milliseconds since its last change; undefined where there is nothing. */
export async function ageOf(path: string): Promise<number | undefined> {
  try {
    return Date.now() - (await stat(path)).mtimeMs
  } catch (error) {
    if (codeOf(error) === 'ENOENT') {
      return undefined
    }
    throw error
  }
}

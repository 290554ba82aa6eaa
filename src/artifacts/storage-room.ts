import { statfs } from 'node:fs/promises'
import { StorageError } from './storage-error.ts'

/** The rest is for what is being written, and for what a filesystem keeps to itself. */
const usableShare = 0.9

/** How much may lie in a folder. Past that a write fails as on a full disk, before the disk is one. */
export class StorageRoom {
  readonly limitBytes: number
  #usedBytes = 0

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes
  }

  /** `sizeBytes`: of what holds the folder, if that is smaller than its volume. */
  static async of(folder: string, sizeBytes = Number.POSITIVE_INFINITY): Promise<StorageRoom> {
    const { bsize, blocks } = await statfs(folder)
    return new StorageRoom(Math.floor(Math.min(sizeBytes, bsize * blocks) * usableShare))
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  /** What nobody needs goes sooner then. */
  get isTight(): boolean {
    return this.#usedBytes > this.limitBytes * 0.8
  }

  /** What lies there already. */
  count(bytes: number): void {
    this.#usedBytes += bytes
  }

  /** @throws StorageError: `ENOSPC`. */
  take(bytes: number): void {
    if (this.#usedBytes + bytes > this.limitBytes) {
      throw new StorageError(Object.assign(new Error('the room is used up'), { code: 'ENOSPC' }))
    }
    this.#usedBytes += bytes
  }

  give(bytes: number): void {
    this.#usedBytes = Math.max(0, this.#usedBytes - bytes)
  }
}

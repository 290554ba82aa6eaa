import { mkdir, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { codeOf } from '../storage-error.ts'

export interface FolderLockTimes {
  readonly touchEveryMs: number
  /** Whoever did not touch it for so long is dead. */
  readonly deadAfterMs: number
  readonly lookEveryMs: number
}

const defaultTimes: FolderLockTimes = {
  touchEveryMs: 5000,
  deadAfterMs: 60_000,
  lookEveryMs: 2000,
}

/**
 * Does something while nobody else does it in this folder: pods of one pool may share a volume. `onWait` is called once
 * where somebody else is first.
 */
export async function lockingFolder<T>(
  folder: string,
  work: () => Promise<T>,
  onWait: () => void,
  signal: AbortSignal,
  times: FolderLockTimes = defaultTimes,
): Promise<T> {
  const lock = join(folder, '.loraplex-lock')
  for (let said = false; !(await taken(lock, times.deadAfterMs)); said = true) {
    if (!said) {
      onWait()
    }
    await delay(times.lookEveryMs, undefined, { signal })
  }
  const timer = setInterval(() => {
    const now = new Date()
    void utimes(lock, now, now).catch(() => undefined)
  }, times.touchEveryMs)
  try {
    return await work()
  } finally {
    clearInterval(timer)
    await rm(lock, { recursive: true, force: true })
  }
}

async function taken(lock: string, deadAfterMs: number): Promise<boolean> {
  try {
    await mkdir(lock)
    return true
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') {
      throw error
    }
  }
  const found = await stat(lock).catch(() => undefined)
  if (found !== undefined && Date.now() - found.mtimeMs > deadAfterMs) {
    await rm(lock, { recursive: true, force: true })
  }
  return false
}

import { open, readFile, rm } from 'node:fs/promises'
import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'

/** One installer at a time over all checkouts; a lock whose owner is dead is taken over. */
export async function takeLock(
  path: string,
  whenWaiting: (owner: number) => void,
): Promise<AsyncDisposable> {
  for (let waited = 0; ; waited += 1) {
    try {
      const file = await open(path, 'wx')
      await file.writeFile(String(process.pid))
      await file.close()
      return { [Symbol.asyncDispose]: () => rm(path, { force: true }) }
    } catch {
      const owner = Number(await readFile(path, 'utf8').catch(() => '0'))
      if (owner > 0 && !isAlive(owner)) {
        await rm(path, { force: true })
      } else if (waited === 0) {
        whenWaiting(owner)
      }
      await delay(1_000)
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'

const secretBytes = 32
const lookEveryMs = 500
const saidEveryMs = 10_000

/**
 * The installation's secret from the file it is mounted as. The controller makes it at its first start, and a mount
 * shows it some time later: until then this waits, and says so.
 */
export async function readInstallationSecret(
  path: string,
  say: (words: string) => void,
  signal: AbortSignal,
): Promise<Buffer> {
  let saidAtMs = Number.NEGATIVE_INFINITY
  for (;;) {
    signal.throwIfAborted()
    const secret = await readFile(path).catch(() => undefined)
    if (secret !== undefined && secret.length >= secretBytes) {
      return secret
    }
    if (performance.now() - saidAtMs >= saidEveryMs) {
      saidAtMs = performance.now()
      const what = secret === undefined ? 'is not there yet' : `has only ${secret.length} bytes`
      say(`waiting for the installation's secret: ${path} ${what}; the controller makes it`)
    }
    await delay(lookEveryMs, undefined, { signal })
  }
}

import { setTimeout as sleep } from 'node:timers/promises'

/** Resolves after the time or at the signal, whichever is first; whoever waits looks at the signal itself. */
export async function pause(delayMs: number, signal?: AbortSignal): Promise<void> {
  try {
    await sleep(delayMs, undefined, signal === undefined ? {} : { signal })
  } catch {
    // Aborted: that is an end like the other.
  }
}

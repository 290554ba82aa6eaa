import type { ServerResponse } from 'node:http'
import { QueueBounds, type AdmissionLimits, type Waiter } from './queue-bounds.ts'

/** Why a stay ended: the routing table may say something else now, time is up, or the caller left. */
export type WakeReason = 'Changed' | 'TimeUp' | 'CallerGone'

interface PoolWaiter extends Waiter {
  readonly poolKey: string
}

/** Where requests wait for a name whose first revision is still being proved, until the routing table changes (I9). */
export class LoadingRoom {
  readonly #bounds: QueueBounds
  /** Those who wait, with the pool that they wait for. */
  readonly #waiting = new Map<(reason: WakeReason) => void, string>()
  readonly #onWait: (poolKey: string) => void

  constructor(limits: AdmissionLimits, onWait: (poolKey: string) => void) {
    this.#bounds = new QueueBounds(limits)
    this.#onWait = onWait
  }

  get waiting(): number {
    return this.#waiting.size
  }

  waitingByPool(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>()
    for (const poolKey of this.#waiting.values()) {
      counts.set(poolKey, (counts.get(poolKey) ?? 0) + 1)
    }
    return counts
  }

  /** @throws LoraplexError overloaded or queue_share_full when there is no room */
  wait(waiter: PoolWaiter, maxMs: number, response: ServerResponse): Promise<WakeReason> {
    const refusal = this.#bounds.refusal(waiter)
    if (refusal !== undefined) {
      throw refusal
    }
    if (response.destroyed) {
      return Promise.resolve('CallerGone')
    }
    this.#bounds.enter(waiter)
    return new Promise((resolve) => {
      const leave = (reason: WakeReason): void => {
        clearTimeout(timer)
        response.off('close', onClose)
        this.#waiting.delete(leave)
        this.#bounds.leave(waiter)
        resolve(reason)
      }
      const onClose = (): void => leave('CallerGone')
      const timer = setTimeout(() => leave('TimeUp'), Math.max(0, maxMs))
      this.#waiting.set(leave, waiter.poolKey)
      response.once('close', onClose)
      this.#onWait(waiter.poolKey)
    })
  }

  /** Everybody looks again. */
  wake(): void {
    for (const leave of this.#waiting.keys()) {
      leave('Changed')
    }
  }
}

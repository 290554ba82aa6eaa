import type { ServerResponse } from 'node:http'
import { QueueBounds, type AdmissionLimits, type Waiter } from './queue-bounds.ts'

/** Why a stay ended: the routing table may say something else now, time is up, or the caller left. */
export type WakeReason = 'Changed' | 'TimeUp' | 'CallerGone'

/** Where requests wait for a name whose first revision is still being proved, until the routing table changes (I9). */
export class LoadingRoom {
  readonly #bounds: QueueBounds
  readonly #waiting = new Set<(reason: WakeReason) => void>()

  constructor(limits: AdmissionLimits) {
    this.#bounds = new QueueBounds(limits)
  }

  get waiting(): number {
    return this.#waiting.size
  }

  /** @throws LoraplexError overloaded or queue_share_full when there is no room */
  wait(waiter: Waiter, maxMs: number, response: ServerResponse): Promise<WakeReason> {
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
      this.#waiting.add(leave)
      response.once('close', onClose)
    })
  }

  /** Everybody looks again. */
  wake(): void {
    for (const leave of this.#waiting) {
      leave('Changed')
    }
  }
}

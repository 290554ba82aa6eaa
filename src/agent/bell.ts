import type { Clock } from './clock.ts'

/** Wakes one waiter; a ring while nobody waits is kept for the next wait. */
export class Bell {
  readonly #clock: Clock
  #rung = false
  #wake: (() => void) | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  ring(): void {
    this.#rung = true
    this.#wake?.()
  }

  /** Until the next ring, or for so long. */
  async wait(limitMs: number | undefined): Promise<void> {
    if (!this.#rung) {
      await new Promise<void>((resolve) => {
        const timer = limitMs === undefined ? undefined : this.#clock.after(limitMs, resolve)
        this.#wake = () => {
          timer?.cancel()
          resolve()
        }
      })
      this.#wake = undefined
    }
    this.#rung = false
  }
}

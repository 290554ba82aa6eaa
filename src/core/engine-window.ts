/** What the engine says of itself at one moment. */
export interface EngineLoad {
  readonly running: number
  readonly waiting: number
}

const firstLimit = 32
const minLimit = 4
const maxLimit = 8192

/** Of so many that run, one more may wait inside the engine; at least one may. Whoever comes next waits behind it. */
const spareShare = 64

/**
 * How many requests may be at an engine, so that it always has the next one at hand and no queue of its own: order and
 * fairness are decided before it (DESIGN 2.7). How many it can run is not known beforehand: it depends on its flags and on
 * the length of prompts in the KV cache. So the limit doubles while the engine takes all it gets, falls to what runs when
 * requests wait inside, and from then on grows where nothing waits, by more each time.
 */
export class EngineWindow {
  #limit = firstLimit
  #isProbing = true
  /** By how much it grows next: by little at first, because what is too much waits inside before it is noticed. */
  #growth = 1
  #last: EngineLoad | undefined

  get limit(): number {
    return this.#limit
  }

  /** Another process: what was learned holds no more. */
  reset(): void {
    this.#limit = firstLimit
    this.#isProbing = true
    this.#last = undefined
  }

  /**
   * @param used requests that the gateways had there.
   * A burst waits in the engine until its prompts are read, so two looks have to agree.
   */
  note(load: EngineLoad, used: number): void {
    const last = this.#last ?? load
    this.#last = load
    const running = Math.max(load.running, last.running)
    const waiting = Math.min(load.waiting, last.waiting)
    const spare = Math.ceil(Math.max(1, running) / spareShare)
    if (waiting > spare) {
      this.#isProbing = false
      this.#growth = 1
      this.#limit = Math.max(minLimit, Math.min(this.#limit, running + spare))
    } else if (used >= this.#limit - 1 && this.#isProbing && load.waiting <= spare) {
      this.#limit = Math.min(maxLimit, 2 * this.#limit)
    } else if (
      used >= this.#limit - 1 &&
      !this.#isProbing &&
      load.waiting === 0 &&
      last.waiting === 0
    ) {
      this.#limit = Math.min(maxLimit, this.#limit + this.#growth)
      this.#growth = Math.min(2 * this.#growth, Math.ceil(this.#limit / 8))
    }
  }
}

import { SeenPace } from '../../core/seen-pace.ts'

/** Streams of one engine say the same at one time: one of them is asked, so often. */
const sampleEveryMs = 100

/** How fast one engine writes, as the gateway's streams show it. */
export class EnginePace {
  readonly #now: () => number
  readonly #seen = new SeenPace()
  #sampledAt = Number.NEGATIVE_INFINITY

  /** @param now milliseconds, monotonic */
  constructor(now: () => number) {
    this.#now = now
  }

  /** Milliseconds between two tokens; undefined where none was seen lately. */
  get stepMs(): number | undefined {
    return this.#seen.at(this.#now())
  }

  note(stepMs: number): void {
    this.#seen.note(stepMs, this.#now())
  }

  /** True: the stream that asks is the one to be looked at now. */
  isSampleDue(atMs: number): boolean {
    const isDue = atMs - this.#sampledAt >= sampleEveryMs
    if (isDue) {
      this.#sampledAt = atMs
    }
    return isDue
  }
}

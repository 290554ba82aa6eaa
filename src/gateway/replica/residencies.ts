import type { ResidencyState } from '../../api/agent-protocol.ts'

const absent: ResidencyState = { state: 'Absent' }

/** What one engine process has of which revision, as its agent tells. */
export class Residencies {
  readonly #now: () => number
  readonly #onLoaded: ((ms: number) => void) | undefined
  readonly #states = new Map<string, ResidencyState>()
  readonly #loadingSince = new Map<string, number>()

  /**
   * @param now milliseconds, monotonic
   * @param onLoaded an adapter was loaded there, in so long
   */
  constructor(now: () => number, onLoaded: ((ms: number) => void) | undefined) {
    this.#now = now
    this.#onLoaded = onLoaded
  }

  of(revision: string): ResidencyState {
    return this.#states.get(revision) ?? absent
  }

  /** Proved there. */
  isRoutable(revision: string): boolean {
    return this.#states.get(revision)?.state === 'Routable'
  }

  *routable(): Iterable<string> {
    for (const [revision, { state }] of this.#states) {
      if (state === 'Routable') {
        yield revision
      }
    }
  }

  /** Whether it is routable now and was not, or the other way round. */
  hear(revision: string, residency: ResidencyState): boolean {
    const before = this.isRoutable(revision)
    this.#timeLoad(revision, residency)
    if (residency.state === 'Absent') {
      this.#states.delete(revision)
    } else {
      this.#states.set(revision, residency)
    }
    return this.isRoutable(revision) !== before
  }

  /** Another process, or all is said anew. */
  clear(): void {
    this.#states.clear()
    this.#loadingSince.clear()
  }

  #timeLoad(revision: string, { state }: ResidencyState): void {
    const since = this.#loadingSince.get(revision)
    if (state === 'Loading') {
      this.#loadingSince.set(revision, since ?? this.#now())
    } else if (since !== undefined) {
      this.#loadingSince.delete(revision)
      if (state === 'Loaded') {
        this.#onLoaded?.(this.#now() - since)
      }
    }
  }
}

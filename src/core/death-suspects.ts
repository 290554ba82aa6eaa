/** A request that was at an engine when its process died. */
export interface Casualty {
  readonly fingerprint: string
  /** Of its answer, at that moment. */
  readonly tokens: number
}

interface Suspect {
  deaths: number
  /** The furthest it was at one of them. */
  tokens: number
  isCondemned: boolean
  untilMs: number
}

/** Suspicion and refusal end so long after the last death. */
const memoryMs = 10 * 60_000

/** An answer is cut at another place each time: only one that came well past it has shown that it is not what kills. */
const farther = (tokens: number): number => 2 * tokens + 8

/**
 * Which request kills engines (I10). Everything that was at a process when it died is suspect; the one that was at more
 * deaths than all others there, and at another one before, did it, and the others are cleared of this one. Where several
 * were at the same deaths nobody is condemned: they have to be told apart by the next one.
 */
export class DeathSuspects {
  readonly #capacity: number
  /** Those at a death most recently last. */
  readonly #suspects = new Map<string, Suspect>()

  constructor(capacity = 4096) {
    this.#capacity = capacity
  }

  get size(): number {
    return this.#suspects.size
  }

  deathsOf(fingerprint: string, nowMs: number): number {
    return this.#at(fingerprint, nowMs)?.deaths ?? 0
  }

  isCondemned(fingerprint: string, nowMs: number): boolean {
    return this.#at(fingerprint, nowMs)?.isCondemned === true
  }

  /** A process died, and these were there. */
  died(casualties: readonly Casualty[], nowMs: number): void {
    const there = new Map<string, number>()
    for (const { fingerprint, tokens } of casualties) {
      there.set(fingerprint, Math.max(tokens, there.get(fingerprint) ?? 0))
    }
    const ranks = [...there].map(([fingerprint, tokens]) => ({
      fingerprint,
      rank: this.#rankOf(fingerprint, tokens, nowMs),
    }))
    const most = Math.max(0, ...ranks.map(({ rank }) => rank))
    const top = ranks.filter(({ rank }) => rank === most)
    const [culprit] = top
    if (most > 0 && culprit !== undefined && top.length === 1) {
      this.#note(culprit.fingerprint, there.get(culprit.fingerprint) ?? 0, nowMs).isCondemned = true
      return
    }
    for (const [fingerprint, tokens] of there) {
      const known = this.#at(fingerprint, nowMs)
      if (known === undefined || tokens <= farther(known.tokens)) {
        this.#note(fingerprint, tokens, nowMs)
      }
    }
  }

  /** It was answered whole. */
  clear(fingerprint: string): void {
    if (this.#suspects.get(fingerprint)?.isCondemned === false) {
      this.#suspects.delete(fingerprint)
    }
  }

  tidy(nowMs: number): void {
    for (const fingerprint of this.#suspects.keys()) {
      this.#at(fingerprint, nowMs)
    }
  }

  /** How likely it is that it did it: deaths before, unless it came further this time; one that is condemned is certain. */
  #rankOf(fingerprint: string, tokens: number, nowMs: number): number {
    const known = this.#at(fingerprint, nowMs)
    if (known === undefined || tokens > farther(known.tokens)) {
      return 0
    }
    return known.isCondemned ? Number.POSITIVE_INFINITY : known.deaths
  }

  #at(fingerprint: string, nowMs: number): Suspect | undefined {
    const known = this.#suspects.get(fingerprint)
    if (known !== undefined && known.untilMs <= nowMs) {
      this.#suspects.delete(fingerprint)
      return undefined
    }
    return known
  }

  #note(fingerprint: string, tokens: number, nowMs: number): Suspect {
    const known = this.#at(fingerprint, nowMs)
    const suspect = {
      deaths: (known?.deaths ?? 0) + 1,
      tokens: Math.max(tokens, known?.tokens ?? 0),
      isCondemned: known?.isCondemned ?? false,
      untilMs: nowMs + memoryMs,
    }
    this.#suspects.delete(fingerprint)
    this.#suspects.set(fingerprint, suspect)
    const [oldest] = this.#suspects.keys()
    if (oldest !== undefined && this.#suspects.size > this.#capacity) {
      this.#suspects.delete(oldest)
    }
    return suspect
  }
}

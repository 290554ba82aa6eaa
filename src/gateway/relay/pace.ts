/** Chunks of a stream between two looks at it: what is learned must cost a chunk no more than a count. */
const chunksApart = 8

/** The stream at one moment, and the engine as it was then. */
interface Mark {
  readonly atMs: number
  readonly tokens: number
  readonly running: number
  readonly adapters: number
}

/** What a stream is looked at with, every so many chunks. */
export interface PaceSource {
  /** It has so many chunks more. */
  looked(): void
  /** Tokens of its answer so far. */
  tokens(): number
  /** What the engine runs now. */
  engine(): { readonly running: number; readonly adapters: number }
  /** Whether anybody wants to know now. */
  isWanted(atMs: number): boolean
  /** So long for each of the last tokens, the engine as it was in the mean. */
  found(ms: number, running: number, adapters: number): void
}

/** How fast a stream is written: now and then, the mean of a few tokens. */
export class Pace {
  readonly #source: PaceSource
  #chunks = 0
  #mark: Mark | undefined

  constructor(source: PaceSource) {
    this.#source = source
  }

  chunk(atMs: number): void {
    this.#chunks += 1
    if (this.#chunks % chunksApart === 0) {
      this.#look(atMs)
    }
  }

  /** Nobody read for a while: what comes next waited. */
  interrupt(): void {
    this.#mark = undefined
    this.#chunks = 0
  }

  #look(atMs: number): void {
    this.#source.looked()
    const before = this.#mark
    const isWanted = this.#source.isWanted(atMs)
    this.#mark = isWanted || before !== undefined ? this.#at(atMs) : undefined
    if (before !== undefined && this.#mark !== undefined) {
      this.#find(before, this.#mark)
    }
    this.#mark = isWanted ? this.#mark : undefined
  }

  #find(before: Mark, now: Mark): void {
    const tokens = now.tokens - before.tokens
    if (tokens > 0 && now.atMs > before.atMs) {
      this.#source.found(
        (now.atMs - before.atMs) / tokens,
        (before.running + now.running) / 2,
        (before.adapters + now.adapters) / 2,
      )
    }
  }

  #at(atMs: number): Mark {
    const { running, adapters } = this.#source.engine()
    return { atMs, tokens: this.#source.tokens(), running, adapters }
  }
}

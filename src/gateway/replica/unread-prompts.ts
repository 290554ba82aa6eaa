import type { Work } from './work.ts'

/** So many that are done with are cut off at once. */
const cutAt = 256

/**
 * Prompts at an engine that has not spoken yet, in the order in which they went there. Engines read them in that order, so
 * a word on one of them says that those before it are read, too: those whose answers are not streamed say nothing themselves.
 */
export class UnreadPrompts {
  readonly #queue: Work[] = []
  #head = 0
  #tokens = 0

  get tokens(): number {
    return this.#tokens
  }

  add(work: Work): void {
    this.#queue.push(work)
    this.#tokens += work.promptTokens
  }

  /** Entries in memory, some of which may be done with. */
  get kept(): number {
    return this.#queue.length
  }

  /** It has a first token. */
  read(work: Work): void {
    while (!work.isRead) {
      const next = this.#queue[this.#head]
      if (next === undefined) {
        return
      }
      this.drop(next)
    }
  }

  /** It has ended, and perhaps nobody read it. */
  drop(work: Work): void {
    if (!work.isRead) {
      work.isRead = true
      this.#tokens -= work.promptTokens
    }
    while (this.#queue[this.#head]?.isRead === true) {
      this.#head += 1
    }
    this.#trim()
  }

  #trim(): void {
    if (this.#head === this.#queue.length) {
      this.#queue.length = 0
      this.#head = 0
    } else if (this.#head >= cutAt) {
      this.#queue.splice(0, this.#head)
      this.#head = 0
    }
  }
}

import { atomicWrite } from './atomic-write.ts'

export interface DelayedWriteOptions {
  readonly path: string
  /** The text of that moment; called once for each write. */
  readonly content: () => string
  readonly delayMs: number
  readonly onError: (error: unknown) => void
}

/** Writes a file soon after it was asked to: many changes make one write, and two writes never overlap. */
export class DelayedWrite {
  readonly #options: DelayedWriteOptions
  #timer: NodeJS.Timeout | undefined
  #isWanted = false
  #writing: Promise<void> = Promise.resolve()

  constructor(options: DelayedWriteOptions) {
    this.#options = options
  }

  request(): void {
    this.#isWanted = true
    this.#timer ??= setTimeout(() => {
      void this.flush()
    }, this.#options.delayMs)
  }

  /** Resolves when everything asked for so far is on disk, or was reported. */
  flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#writing = this.#writing.then(() => this.#write())
    return this.#writing
  }

  async #write(): Promise<void> {
    if (!this.#isWanted) {
      return
    }
    this.#isWanted = false
    try {
      await atomicWrite(this.#options.path, this.#options.content())
    } catch (error) {
      this.#options.onError(error)
    }
  }
}

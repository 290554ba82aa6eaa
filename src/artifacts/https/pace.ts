import { DownloadError } from './download-error.ts'

export interface PaceOptions {
  /** Time spent waiting for the server, after which it must have sent as much as below. */
  readonly windowMs: number
  readonly minBytesPerSecond: number
}

/** 64 KiB a second over a minute: an adapter of 100 MB in half an hour. */
const defaults: PaceOptions = { windowMs: 60_000, minBytesPerSecond: 64 * 1024 }

/**
 * Ends a fetch whose server sends too little for too long; silence alone is found by the connection. What the disk
 * takes of the time is not held against the server.
 */
export class Pace {
  readonly #options: PaceOptions
  readonly #tooSlow = new AbortController()
  readonly #timer: NodeJS.Timeout
  #waitingSinceMs: number | undefined
  #waitedMs = 0
  #bytes = 0

  constructor(options: Partial<PaceOptions> = {}) {
    this.#options = { ...defaults, ...options }
    this.#timer = setInterval(() => this.#look(), this.#options.windowMs / 10).unref()
  }

  /** Aborts with a `DownloadError`. */
  get signal(): AbortSignal {
    return this.#tooSlow.signal
  }

  /** The same bytes, counted. */
  async *of(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    this.#waitingSinceMs = performance.now()
    try {
      for await (const chunk of content) {
        this.#pause()
        this.#bytes += chunk.byteLength
        yield chunk
        this.#waitingSinceMs = performance.now()
      }
    } finally {
      this.#pause()
    }
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #pause(): void {
    if (this.#waitingSinceMs !== undefined) {
      this.#waitedMs += performance.now() - this.#waitingSinceMs
      this.#waitingSinceMs = undefined
    }
  }

  #look(): void {
    if (this.#waitingSinceMs !== undefined) {
      this.#pause()
      this.#waitingSinceMs = performance.now()
    }
    const { windowMs, minBytesPerSecond } = this.#options
    if (this.#waitedMs < windowMs) {
      return
    }
    if ((this.#bytes / this.#waitedMs) * 1000 < minBytesPerSecond) {
      const words = `The server of the source sent less than ${Math.ceil(minBytesPerSecond / 1024)} KiB a second for ${Math.ceil(windowMs / 1000)} s, and the fetch was stopped. It is tried again.`
      this.#tooSlow.abort(new DownloadError('SourceTooSlow', words, true))
    }
    this.#waitedMs = 0
    this.#bytes = 0
  }
}

/** Says every so often how far something is. */
export class Progress {
  readonly #total: number
  readonly #say: (words: string) => void
  readonly #timer: NodeJS.Timeout
  readonly #startMs = performance.now()
  #done = 0

  constructor(totalBytes: number, say: (words: string) => void, everyMs = 10_000) {
    this.#total = totalBytes
    this.#say = say
    this.#timer = setInterval(() => this.#tell(), everyMs)
    this.#timer.unref()
  }

  add(bytes: number): void {
    this.#done += bytes
  }

  close(): void {
    clearInterval(this.#timer)
    this.#tell()
  }

  #tell(): void {
    const share = this.#total === 0 ? 100 : Math.floor((this.#done / this.#total) * 100)
    const seconds = Math.max((performance.now() - this.#startMs) / 1000, 0.001)
    const speed = (this.#done / 1e6 / seconds).toFixed(1)
    this.#say(
      `${(this.#done / 1e9).toFixed(2)} of ${(this.#total / 1e9).toFixed(2)} GB (${share} %), ${speed} MB/s`,
    )
  }
}

/** What a new value moves the mean by, once there were a few. */
const newPart = 0.1

/** The mean of the first few values, then of the last few: older ones count less and less. */
export class ForgetfulMean {
  #count = 0
  #mean = 0

  /** Undefined before the first value. */
  get value(): number | undefined {
    return this.#count === 0 ? undefined : this.#mean
  }

  note(value: number): void {
    this.#count += 1
    this.#mean += Math.max(newPart, 1 / this.#count) * (value - this.#mean)
  }
}

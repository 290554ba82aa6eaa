/** A step towards each new value, as a part of the median: a few dozen values move it anywhere near. */
const step = 0.05

/** About as many of the last values lie below it as above it, however far. For values above zero. */
export class ForgetfulMedian {
  #value: number | undefined

  /** Undefined before the first value. */
  get value(): number | undefined {
    return this.#value
  }

  note(value: number): void {
    if (this.#value === undefined) {
      this.#value = value
    } else if (value !== this.#value) {
      this.#value *= value > this.#value ? 1 + step : 1 / (1 + step)
    }
  }
}

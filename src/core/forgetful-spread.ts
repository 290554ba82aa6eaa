/** As of a ForgetfulSquares, so that both are about the same samples. */
const kept = 0.999

/** How far two figures of the same samples vary, and how far they do so together; older samples count less. */
export class ForgetfulSpread {
  #weight = 0
  #left = 0
  #right = 0
  #leftSquares = 0
  #rightSquares = 0
  #products = 0

  note(left: number, right: number): void {
    this.#weight = kept * this.#weight + 1
    this.#left = kept * this.#left + left
    this.#right = kept * this.#right + right
    this.#leftSquares = kept * this.#leftSquares + left * left
    this.#rightSquares = kept * this.#rightSquares + right * right
    this.#products = kept * this.#products + left * right
  }

  /** Standard deviations. */
  get left(): number {
    return Math.sqrt(this.#variance(this.#left, this.#leftSquares))
  }

  get right(): number {
    return Math.sqrt(this.#variance(this.#right, this.#rightSquares))
  }

  /** 0–1: how much of one is told by the other. */
  get correlation(): number {
    const both = this.left * this.right
    const together = this.#products / this.#weight - (this.#left * this.#right) / this.#weight ** 2
    return both === 0 ? 1 : Math.abs(together / both)
  }

  #variance(sum: number, squares: number): number {
    return this.#weight === 0 ? 0 : Math.max(0, squares / this.#weight - (sum / this.#weight) ** 2)
  }
}

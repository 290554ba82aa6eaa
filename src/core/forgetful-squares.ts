/** What is left of a sample's weight after the next one: the last thousand or so count. */
const kept = 0.999

/**
 * Least squares with forgetting: the same estimate as the recursive form has (L. Ljung, System Identification, 1999, 11.2), from
 * the sums themselves, so that terms can be held at zero or more when it is read.
 */
export class ForgetfulSquares {
  readonly #terms: number
  /** Σ w·x·xᵀ, row by row. */
  readonly #squares: number[]
  /** Σ w·x·y. */
  readonly #products: number[]

  /** @param terms of the sum that explains a measurement */
  constructor(terms: number) {
    this.#terms = terms
    this.#squares = Array.from({ length: terms * terms }, () => 0)
    this.#products = Array.from({ length: terms }, () => 0)
  }

  /** `measured` was seen where the terms had these factors. @param weight how much it says, beside others */
  note(factors: readonly number[], measured: number, weight = 1): void {
    for (const [row, left] of factors.entries()) {
      for (const [column, right] of factors.entries()) {
        const at = row * this.#terms + column
        this.#squares[at] = kept * (this.#squares[at] ?? 0) + weight * left * right
      }
      this.#products[row] = kept * (this.#products[row] ?? 0) + weight * left * measured
    }
  }

  /** The terms, none below zero, that explain best what was seen; undefined where that leaves several possible. */
  solve(): readonly number[] | undefined {
    let best: readonly number[] | undefined
    let bestFit = Number.NEGATIVE_INFINITY
    // So few terms: each choice of those that are held at zero is tried.
    for (let used = 1; used < 2 ** this.#terms; used += 1) {
      const found = this.#solveFor(used)
      const fit = found === undefined ? bestFit : this.#fitOf(found)
      if (found?.every((term) => term >= 0) === true && fit > bestFit) {
        best = found
        bestFit = fit
      }
    }
    return best
  }

  /** How much of the squares it explains. */
  #fitOf(terms: readonly number[]): number {
    let fit = 0
    for (const [row, left] of terms.entries()) {
      fit += 2 * left * (this.#products[row] ?? 0)
      for (const [column, right] of terms.entries()) {
        fit -= left * right * (this.#squares[row * this.#terms + column] ?? 0)
      }
    }
    return fit
  }

  /** @param used bits: terms that are not held at zero */
  #solveFor(used: number): readonly number[] | undefined {
    const rows = this.#products.map((product, row) => {
      const isUsed = ((used >> row) & 1) === 1
      const left = this.#products.map((_, column) => {
        const isOther = ((used >> column) & 1) === 1
        const square = this.#squares[row * this.#terms + column] ?? 0
        return isUsed && isOther ? square : Number(row === column)
      })
      return [...left, isUsed ? product : 0]
    })
    return eliminate(rows)
  }
}

/** Gauss and Jordan; undefined where a row is a sum of others, as far as can be told. */
function eliminate(rows: number[][]): readonly number[] | undefined {
  for (const [at, pivot] of rows.entries()) {
    const lead = pivot[at] ?? 0
    const size = Math.max(...pivot.slice(0, -1).map(Math.abs))
    if (!(lead > 1e-9 * size)) {
      return undefined
    }
    for (const other of rows) {
      const factor = (other[at] ?? 0) / lead
      if (other !== pivot && factor !== 0) {
        for (const [column, value] of pivot.entries()) {
          other[column] = (other[column] ?? 0) - factor * value
        }
      }
    }
  }
  return rows.map((row, at) => (row.at(-1) ?? 0) / (row[at] ?? 1))
}

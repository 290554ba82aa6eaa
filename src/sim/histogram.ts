/** A Prometheus histogram, written as Python's client writes it. */
export class Histogram {
  readonly #bounds: readonly number[]
  readonly #counts: number[]
  #sum = 0
  #count = 0

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds
    this.#counts = bounds.map(() => 0)
  }

  observe(value: number): void {
    this.#sum += value
    this.#count += 1
    for (let i = 0; i < this.#bounds.length; i++) {
      if (value <= (this.#bounds[i] ?? 0)) {
        this.#counts[i] = (this.#counts[i] ?? 0) + 1
        break
      }
    }
  }

  /** `before` and `after` are the labels on either side of `le`, which stands in alphabetical order. */
  lines(name: string, before: string, after: string): string {
    let text = ''
    let below = 0
    for (const [i, bound] of this.#bounds.entries()) {
      below += this.#counts[i] ?? 0
      text += `${name}_bucket{${before},le="${pythonFloat(bound)}",${after}} ${pythonFloat(below)}\n`
    }
    const count = pythonFloat(this.#count)
    text += `${name}_bucket{${before},le="+Inf",${after}} ${count}\n`
    text += `${name}_count{${before},${after}} ${count}\n`
    return `${text}${name}_sum{${before},${after}} ${pythonFloat(this.#sum)}\n`
  }
}

/** As Python's Prometheus client writes a number: `2.0`, `1.79521762101e+09`. */
export function pythonFloat(value: number): string {
  if (Math.abs(value) >= 1e6) {
    const [digits = '', exponent = ''] = value.toExponential().split('e')
    return `${digits}e+${exponent.slice(1).padStart(2, '0')}`
  }
  return Number.isInteger(value) ? `${value}.0` : String(value)
}

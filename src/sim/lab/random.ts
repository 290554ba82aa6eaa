/** A seeded source of random numbers: the same seed gives the same numbers on every machine. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number
}

/** Sfc32 (C. Doty-Humphrey, PractRand): passes the usual batteries, four words of state. */
export function createRandom(seed: number): Random {
  let a = 0x9e3779b9 ^ seed
  let b = 0x243f6a88
  let c = 0xb7e15162 ^ Math.imul(seed, 0x85ebca6b)
  let counter = 1
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + sum
    c |= 0
    return (sum >>> 0) / 2 ** 32
  }
  for (let round = 0; round < 12; round += 1) {
    next()
  }
  return { next }
}

/** With mean 1. */
export function exponential(random: Random): number {
  return -Math.log(1 - random.next())
}

export function normal(random: Random): number {
  const radius = Math.sqrt(2 * exponential(random))
  return radius * Math.cos(2 * Math.PI * random.next())
}

/** With mean 1 and the coefficient of variation `cv`: G. Marsaglia and W. Tsang, 2000. */
export function gamma(random: Random, cv: number): number {
  const shape = 1 / (cv * cv)
  const boosted = shape < 1 ? shape + 1 : shape
  const d = boosted - 1 / 3
  const c = 1 / Math.sqrt(9 * d)
  for (;;) {
    const x = normal(random)
    const v = (1 + c * x) ** 3
    if (v > 0 && Math.log(1 - random.next()) < 0.5 * x * x + d - d * v + d * Math.log(v)) {
      const boost = shape < 1 ? (1 - random.next()) ** (1 / shape) : 1
      return (d * v * boost) / shape
    }
  }
}

/** Between two arrivals, with mean 1: `cv` 1 is Poisson, more comes in bursts. */
export function arrivalGap(random: Random, cv: number): number {
  return cv === 1 ? exponential(random) : gamma(random, cv)
}

/** Whole tokens, at least 1, with this mean and coefficient of variation, log-normal as lengths of texts are. */
export function lengthOf(random: Random, mean: number, cv: number): number {
  const variance = Math.log(1 + cv * cv)
  const value = Math.exp(Math.log(mean) - variance / 2 + Math.sqrt(variance) * normal(random))
  return Math.max(1, Math.round(value))
}

/** An index drawn by weight; `cumulative` are running sums. */
export function drawIndex(random: Random, cumulative: readonly number[]): number {
  const point = random.next() * (cumulative.at(-1) ?? 0)
  let low = 0
  let high = cumulative.length - 1
  while (low < high) {
    const middle = (low + high) >> 1
    if ((cumulative[middle] ?? 0) > point) {
      high = middle
    } else {
      low = middle + 1
    }
  }
  return low
}

export function cumulativeOf(weights: readonly number[]): readonly number[] {
  let sum = 0
  return weights.map((weight) => (sum += weight))
}

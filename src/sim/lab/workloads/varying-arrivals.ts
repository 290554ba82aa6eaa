import { exponential, type Random } from '../random.ts'

/**
 * Milliseconds of a Poisson process whose rate changes (P. Lewis and G. Shedler, 1979: thinning).
 *
 * @param rateAt requests a second at a second of the tape, never above `mostRate`
 */
export function varyingArrivals(
  random: Random,
  seconds: number,
  mostRate: number,
  rateAt: (second: number) => number,
): readonly number[] {
  const arrivals: number[] = []
  for (let second = exponential(random) / mostRate; second <= seconds;) {
    if (random.next() * mostRate < rateAt(second)) {
      arrivals.push(second * 1000)
    }
    second += exponential(random) / mostRate
  }
  return arrivals
}

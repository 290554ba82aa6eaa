import { gamma, type Random } from '../random.ts'

/** Rates change from window to window, as ServeGen reports them. */
export const windowSeconds = 600

/**
 * Milliseconds of a renewal process with gamma gaps whose rate changes with the window. Gaps have mean 1 in a time that
 * runs as fast as the rate, so bursts go on over the edge of a window, and each has its rate's requests on average.
 *
 * @param rates requests a second, by window
 */
export function burstyArrivals(
  random: Random,
  rates: readonly number[],
  cv: number,
  seconds: number,
): readonly number[] {
  const arrivals: number[] = []
  let next = firstOf(random, cv)
  let spent = 0
  for (const [window, rate] of rates.entries()) {
    const startSecond = window * windowSeconds
    const end = spent + rate * Math.min(windowSeconds, seconds - startSecond)
    for (; next < end; next += gamma(random, cv)) {
      arrivals.push((startSecond + (next - spent) / rate) * 1000)
    }
    spent = end
  }
  return arrivals
}

/** The process was under way long before: a process that begins with the tape would begin with a burst. */
function firstOf(random: Random, cv: number): number {
  let next = -20 * (1 + cv * cv) * (1 + random.next())
  while (next < 0) {
    next += gamma(random, cv)
  }
  return next
}

import { cumulativeOf } from '../random.ts'

/** Running sums of Zipf's law over `count` ranks; exponent 0 is uniform. */
export function zipfWeights(count: number, exponent: number): readonly number[] {
  return cumulativeOf(Array.from({ length: count }, (_, rank) => (rank + 1) ** -exponent))
}

import type { Cap } from '../../core/terms.ts'
import type { Counter } from '../../ledger/types.ts'

/** From here on a cap is near: what is held has to be exact. */
const nearFrom = 0.95

/** Everything that blocks has room for so much more. */
export function hasRoom(
  caps: readonly Cap[],
  counters: readonly Counter[],
  amounts: readonly number[],
): boolean {
  return caps.every(
    (cap, index) => !cap.blocks || takenOf(counters[index]) + (amounts[index] ?? 0) <= cap.cap,
  )
}

/** Tokens or money come to an end soon. */
export function isNearCap(caps: readonly Cap[], counters: readonly Counter[]): boolean {
  return caps.some(
    ({ blocks, counts, cap }, index) =>
      blocks &&
      (counts === 'Tokens' || counts === 'Nanos') &&
      takenOf(counters[index]) > cap * nearFrom,
  )
}

function takenOf(counter: Counter | undefined): number {
  return counter === undefined ? 0 : counter.committed + counter.held
}

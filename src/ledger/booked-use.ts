import type { Exactness } from './types.ts'

/** What is known of one line of a hold. A hold that lapsed reserves no more than what was booked then. */
interface KnownUse {
  readonly amount: number
  readonly noted: number
}

/** What a settlement books for a line: never less than is known, unless the engine said exactly how much it was. */
export function bookedUse({ amount, noted }: KnownUse, used: number, exactness: Exactness): number {
  switch (exactness) {
    case 'Exact':
      return used
    case 'LowerBound':
      return Math.max(used, noted)
    case 'Unknown':
      return Math.max(used, noted, amount)
    default:
      return exactness satisfies never
  }
}

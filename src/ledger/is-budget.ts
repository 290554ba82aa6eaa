import type { Line } from './types.ts'

/** A budget that is enforced; without a cap it is only counted. */
export function isBudget({ class: kind, cap }: Line): boolean {
  return kind === 'Budget' && cap !== undefined
}

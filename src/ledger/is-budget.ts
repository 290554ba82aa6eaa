import type { Line } from './types.ts'

/** A line that may never be passed, not even while its store is away; one that is only counted may. */
export function isBudget({ class: kind, cap }: Line): boolean {
  return kind === 'Budget' && cap !== undefined
}

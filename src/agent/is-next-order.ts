import type { DesiredAnswer, DesiredRequest } from '../api/agent-protocol.ts'

/** Whether an order is newer than the one held and, where it is a difference, one to that. */
export function isNextOrder(
  held: Pick<DesiredAnswer, 'term' | 'sequence'>,
  { term, sequence, change }: DesiredRequest,
): boolean {
  if (change !== undefined && (term !== held.term || change.since !== held.sequence)) {
    return false
  }
  return term > held.term || (term === held.term && sequence > held.sequence)
}

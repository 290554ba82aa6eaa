import { greatestCost, type PoolPrices } from '../../core/prices.ts'
import type { Cap } from '../../core/terms.ts'
import type { Refused } from '../../ledger/types.ts'

/** Fewer tokens are no answer. */
const leastTokens = 16
/** From here on, what is left is shared with whoever comes next. */
const shareAbove = 512

interface Asked {
  readonly inputTokens: number
  /** Of one answer, as it was tried. */
  readonly outputTokens: number
  readonly answers: number
  readonly prices: PoolPrices
}

/**
 * For a caller who did not say how long the answer may get: the tokens of one answer that what is left has room for, or
 * undefined where that is too little, or where something else than tokens or money is short.
 */
export function shorterAnswer(
  { counters }: Refused,
  caps: readonly Cap[],
  asked: Asked,
): number | undefined {
  let tokens = asked.outputTokens
  for (const [index, cap] of caps.entries()) {
    const { committed = 0, held = 0 } = counters[index] ?? {}
    const room = cap.blocks ? cap.cap - committed - held : Number.POSITIVE_INFINITY
    tokens = Math.min(tokens, roomFor(cap, room, asked))
  }
  if (tokens < leastTokens || tokens >= asked.outputTokens) {
    return undefined
  }
  return tokens > shareAbove ? Math.ceil(tokens / 2) : tokens
}

function roomFor({ counts }: Cap, room: number, { inputTokens, answers, prices }: Asked): number {
  switch (counts) {
    case 'Tokens':
      return Math.floor((room - inputTokens) / answers)
    case 'Nanos': {
      const { tokens } = prices
      if (tokens === undefined || tokens.output === 0) {
        return Number.POSITIVE_INFINITY
      }
      const left = room - greatestCost(tokens, inputTokens, 0)
      return Math.floor((left / tokens.output) * (1_000_000 / answers))
    }
    case 'Requests':
    case 'Leases':
      return room >= 1 ? Number.POSITIVE_INFINITY : 0
    default:
      return counts satisfies never
  }
}

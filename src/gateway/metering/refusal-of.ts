import { printMoney } from '../../core/money.ts'
import type { Cap } from '../../core/terms.ts'
import { LoraplexError } from '../../errors.ts'
import type { Line, Refused, ShortLine } from '../../ledger/types.ts'
import { rateHeaders } from './rate-headers.ts'
import { moment } from './moment.ts'

/** What requests under way leave unused comes back as they end, which nobody knows better. */
const whenHoldsEndMs = 1000
/** Beyond this, openai-node goes by its own clock and tries again at once. */
const longestRetryMs = 60_000

interface Short extends ShortLine {
  readonly cap: Cap
}

export interface LimitRefusal {
  readonly refusal: LoraplexError
  /** What it is about. */
  readonly short: Cap | undefined
}

/** A refusal of the ledger in the words and headers that SDKs act on. */
export function refusalOf(
  refused: Refused,
  caps: readonly Cap[],
  lines: readonly Line[],
  nowMs: number,
): LimitRefusal {
  const short = refused.short.flatMap((one): readonly Short[] => {
    const cap = caps[lines.indexOf(one.line)]
    return cap === undefined ? [] : [{ ...one, cap }]
  })
  const headers = rateHeaders(caps, lines, refused.counters, nowMs)
  const never = short.find(({ fits }) => fits === 'Never')
  if (never !== undefined) {
    const refusal = new LoraplexError(
      'request_over_limit',
      `This request may use up to ${amount(never.cap, never.line.amount)}, and ${nameOf(never.cap)} allows ${amount(never.cap, never.cap.cap)} in all. Send a shorter prompt, or ask for a shorter answer.`,
      { headers },
    )
    return { refusal, short: never.cap }
  }
  const spent = short.find(({ cap, fits }) => cap.kind === 'Budget' && fits === 'AtWindowEnd')
  if (spent !== undefined) {
    const { cap, committed, line } = spent
    const refusal = new LoraplexError(
      'insufficient_quota',
      `You exceeded your current quota: of ${nameOf(cap)}, ${amount(cap, committed)} of ${amount(cap, cap.cap)} are used, and this request may use up to ${amount(cap, line.amount)}. It begins anew at ${moment(line.endsAtMs)}.`,
      { headers },
    )
    return { refusal, short: cap }
  }
  return rateRefusal(short, headers, nowMs)
}

function rateRefusal(
  short: readonly Short[],
  headers: Readonly<Record<string, string>>,
  nowMs: number,
): LimitRefusal {
  const waitOf = ({ fits, line }: Short): number =>
    fits === 'AtWindowEnd' ? Math.max(1, line.endsAtMs - nowMs) : whenHoldsEndMs
  const [longest] = short.toSorted((left, right) => waitOf(right) - waitOf(left))
  const retryAfterMs = longest === undefined ? whenHoldsEndMs : waitOf(longest)
  const words =
    longest === undefined
      ? 'a limit is used up'
      : `${nameOf(longest.cap)} is ${amount(longest.cap, longest.cap.cap)}, in use are ${amount(longest.cap, longest.committed + longest.held)}, and this request may use up to ${amount(longest.cap, longest.line.amount)}`
  const refusal = new LoraplexError(
    'rate_limit_exceeded',
    `Rate limit reached: ${words}. Please try again in ${Math.ceil(retryAfterMs / 1000)} s.`,
    {
      retryAfterMs,
      headers: retryAfterMs > longestRetryMs ? { ...headers, 'x-should-retry': 'false' } : headers,
    },
  )
  return { refusal, short: longest?.cap }
}

function nameOf({ kind, name, scope }: Cap): string {
  return kind === 'Budget' ? `the budget '${name}'` : `${name} of the ${scope}`
}

function amount({ counts }: Cap, value: number): string {
  switch (counts) {
    case 'Nanos':
      return printMoney(value)
    case 'Tokens':
      return `${value} tokens`
    case 'Requests':
    case 'Leases':
      return String(value)
    default:
      return counts satisfies never
  }
}

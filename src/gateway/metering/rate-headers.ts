import type { Cap } from '../../core/terms.ts'
import type { Counter, Line } from '../../ledger/types.ts'

const headerNames = {
  Requests: {
    limit: 'x-ratelimit-limit-requests',
    remaining: 'x-ratelimit-remaining-requests',
    reset: 'x-ratelimit-reset-requests',
  },
  Tokens: {
    limit: 'x-ratelimit-limit-tokens',
    remaining: 'x-ratelimit-remaining-tokens',
    reset: 'x-ratelimit-reset-tokens',
  },
} as const

const none = { limit: 0, remaining: Number.POSITIVE_INFINITY, index: -1 }

/** OpenAI's `x-ratelimit-*`, of whichever limit leaves least; and which budgets that only warn are spent. */
export function rateHeaders(
  caps: readonly Cap[],
  lines: readonly Line[],
  counters: readonly Counter[],
  nowMs: number,
): Record<string, string> {
  const headers: Record<string, string> = {}
  const least = { Requests: none, Tokens: none }
  for (const [index, cap] of caps.entries()) {
    const { committed = 0, held = 0 } = counters[index] ?? {}
    const { kind, counts } = cap
    if (kind === 'Budget') {
      if (!cap.blocks && committed + held > cap.cap) {
        headers['x-loraplex-spent-budget'] = cap.name
      }
    } else if (counts === 'Requests' || counts === 'Tokens') {
      const remaining = Math.max(0, cap.cap - committed - held)
      if (remaining < least[counts].remaining) {
        least[counts] = { limit: cap.cap, remaining, index }
      }
    }
  }
  for (const counts of ['Requests', 'Tokens'] as const) {
    const { limit, remaining, index } = least[counts]
    if (index >= 0) {
      const names = headerNames[counts]
      headers[names.limit] = String(limit)
      headers[names.remaining] = String(remaining)
      headers[names.reset] = goDuration((lines[index]?.endsAtMs ?? nowMs) - nowMs)
    }
  }
  return headers
}

/** As OpenAI writes it: `1h2m3s`, `4.5s`, `120ms`. */
export function goDuration(ms: number): string {
  const whole = Math.max(0, Math.ceil(ms))
  if (whole < 1000) {
    return `${whole}ms`
  }
  const hours = Math.floor(whole / 3_600_000)
  const minutes = Math.floor((whole % 3_600_000) / 60_000)
  const seconds = (whole % 60_000) / 1000
  const text = hours > 0 ? `${hours}h${minutes}m` : minutes > 0 ? `${minutes}m` : ''
  return `${text}${seconds}s`
}

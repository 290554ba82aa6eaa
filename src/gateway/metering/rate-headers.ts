import type { Cap } from '../../core/terms.ts'
import type { Counter, Line } from '../../ledger/types.ts'

const kinds = { Requests: 'requests', Tokens: 'tokens' } as const

/** OpenAI's `x-ratelimit-*`, of whichever limit leaves least; and which budgets that only warn are spent. */
export function rateHeaders(
  caps: readonly Cap[],
  lines: readonly Line[],
  counters: readonly Counter[],
  nowMs: number,
): Record<string, string> {
  const headers: Record<string, string> = {}
  const least = new Map<string, number>()
  for (const [index, cap] of caps.entries()) {
    const { committed = 0, held = 0 } = counters[index] ?? {}
    const remaining = Math.max(0, cap.cap - committed - held)
    if (cap.kind === 'Budget') {
      if (!cap.blocks && committed + held > cap.cap) {
        headers['x-loraplex-spent-budget'] = cap.name
      }
      continue
    }
    if (cap.counts !== 'Requests' && cap.counts !== 'Tokens') {
      continue
    }
    const kind = kinds[cap.counts]
    if (remaining < (least.get(kind) ?? Number.POSITIVE_INFINITY)) {
      least.set(kind, remaining)
      headers[`x-ratelimit-limit-${kind}`] = String(cap.cap)
      headers[`x-ratelimit-remaining-${kind}`] = String(remaining)
      headers[`x-ratelimit-reset-${kind}`] = goDuration((lines[index]?.endsAtMs ?? nowMs) - nowMs)
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

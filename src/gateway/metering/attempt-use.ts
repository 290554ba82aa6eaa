import { costsOf, greatestCost, type PoolPrices, type TokenCounts } from '../../core/prices.ts'
import type { Cap } from '../../core/terms.ts'
import type { WindowCache } from '../../core/window-cache.ts'
import { counterKey } from '../../ledger/counter-key.ts'
import type { Line } from '../../ledger/types.ts'

/** What one attempt uses, in everything that is counted. */
export interface AttemptUse {
  readonly requests: number
  readonly tokens: number
  readonly nanos: number
}

/** What an attempt can use at most. */
export function greatestUse(
  inputTokens: number,
  outputTokens: number,
  answers: number,
  prices: PoolPrices,
  contextWindow = Number.POSITIVE_INFINITY,
): AttemptUse {
  // Each answer and its prompt have to fit the window together.
  const input = Math.min(inputTokens, contextWindow * Math.max(1, answers))
  const output = outputTokens * answers
  const tokens = answers === 1 ? Math.min(input + output, contextWindow) : input + output
  const nanos = prices.tokens === undefined ? 0 : greatestCost(prices.tokens, input, output)
  return { requests: 1, tokens, nanos }
}

/** What an attempt has used. */
export function useOf(counts: TokenCounts, prices: PoolPrices): AttemptUse {
  const { inputNanos, cachedNanos, outputNanos } = costsOf(prices.tokens, counts)
  return {
    requests: 1,
    tokens: counts.input + counts.output,
    nanos: inputNanos + cachedNanos + outputNanos,
  }
}

/** In the order of the caps, which is that of the lines. */
export function amountsOf(caps: readonly Cap[], use: AttemptUse): readonly number[] {
  return caps.map((cap) => amountOf(cap, use))
}

/** What has no window. */
const lease = { id: '', endsAtMs: 0 }

export function linesOf(
  caps: readonly Cap[],
  use: AttemptUse,
  windows: WindowCache,
  nowMs: number,
): readonly Line[] {
  return caps.map((cap): Line => {
    const { window } = cap
    const now = window === undefined ? lease : windows.at(window.unit, window.timeZone, nowMs)
    return {
      key: keyOf(cap, now.id),
      kind: window === undefined ? 'Lease' : 'Flow',
      class: cap.kind,
      amount: amountOf(cap, use),
      cap: cap.blocks ? cap.cap : undefined,
      endsAtMs: now.endsAtMs,
    }
  })
}

const keys = new WeakMap<Cap, { readonly windowId: string; readonly key: string }>()

/** Put together once a window: each request asks for all of its counters. */
function keyOf(cap: Cap, windowId: string): string {
  let known = keys.get(cap)
  if (known?.windowId !== windowId) {
    const parts = windowId === '' ? cap.counter : [...cap.counter, windowId]
    known = { windowId, key: counterKey(...parts) }
    keys.set(cap, known)
  }
  return known.key
}

function amountOf({ counts }: Cap, use: AttemptUse): number {
  switch (counts) {
    case 'Requests':
      return use.requests
    case 'Tokens':
      return use.tokens
    case 'Nanos':
      return use.nanos
    case 'Leases':
      return 1
    default:
      return counts satisfies never
  }
}

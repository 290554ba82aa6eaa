import type { EngineCosts } from './route-cost.ts'

const terms = ['stepMs', 'perRequestMs', 'perAdapterMs', 'perPromptTokenMs', 'loadMs'] as const

/**
 * What a pool's engines cost, of what several gateways learned: the median of each term. One gateway that is wrong, because
 * it sees few requests or has seen none since the engines changed, moves nothing; of two it is the mean, and the mean of two
 * straight lines is one. Undefined while none has learned anything.
 */
export function medianCosts(learned: readonly EngineCosts[]): EngineCosts | undefined {
  const usable = learned.filter((costs) => terms.every((term) => Number.isFinite(costs[term])))
  if (usable.length === 0) {
    return undefined
  }
  const median = (term: (typeof terms)[number]): number =>
    medianOf(usable.map((costs) => costs[term]))
  return {
    stepMs: median('stepMs'),
    perRequestMs: median('perRequestMs'),
    perAdapterMs: median('perAdapterMs'),
    perPromptTokenMs: median('perPromptTokenMs'),
    loadMs: median('loadMs'),
  }
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right)
  const middle = sorted.slice(Math.ceil(sorted.length / 2) - 1, Math.floor(sorted.length / 2) + 1)
  return middle.reduce((sum, value) => sum + value, 0) / middle.length
}

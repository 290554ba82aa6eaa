import type { ModelPool } from '../api/model-pool.ts'
import { gpuCost, tokenCost } from './cost.ts'
import { parseMoney } from './money.ts'

/** What a pool's tokens cost, in nanos of the currency for a million. */
export interface TokenPrices {
  readonly input: number
  readonly cachedInput: number
  readonly output: number
}

export interface PoolPrices {
  /** Absent: nobody said, which is not the same as free. */
  readonly tokens: TokenPrices | undefined
  /** Of all GPUs of one replica together; 0 where nobody said. */
  readonly replicaHour: number
}

export interface TokenCounts {
  /** Cached ones among them. */
  readonly input: number
  readonly cachedInput: number
  readonly output: number
}

export interface TokenCosts {
  readonly inputNanos: number
  readonly cachedNanos: number
  readonly outputNanos: number
}

const known = new WeakMap<ModelPool, PoolPrices>()

/** Worked out once a pool object: a change makes another object. */
export function pricesOf(pool: ModelPool): PoolPrices {
  let prices = known.get(pool)
  if (prices === undefined) {
    prices = read(pool)
    known.set(pool, prices)
  }
  return prices
}

/** What each part of a request's tokens costs. */
export function costsOf(prices: TokenPrices | undefined, counts: TokenCounts): TokenCosts {
  if (prices === undefined) {
    return { inputNanos: 0, cachedNanos: 0, outputNanos: 0 }
  }
  const cached = Math.min(counts.cachedInput, counts.input)
  return {
    inputNanos: tokenCost(counts.input - cached, prices.input),
    cachedNanos: tokenCost(cached, prices.cachedInput),
    outputNanos: tokenCost(counts.output, prices.output),
  }
}

/** No request of so many tokens costs more, however many of them are cached. */
export function greatestCost(prices: TokenPrices, input: number, output: number): number {
  // Rounding up three parts instead of two can add one.
  return (
    tokenCost(input, Math.max(prices.input, prices.cachedInput)) +
    tokenCost(output, prices.output) +
    1
  )
}

/** What a replica costs for so long. */
export function replicaCost({ replicaHour }: PoolPrices, ms: number): number {
  return gpuCost(ms, replicaHour)
}

function read(pool: ModelPool): PoolPrices {
  const { pricing, engine } = pool.spec
  const { tensor = 1, pipeline, data } = engine.parallelism
  const input = nanos(pricing?.inputPerMillionTokens)
  const output = nanos(pricing?.outputPerMillionTokens)
  return {
    tokens:
      input === undefined || output === undefined
        ? undefined
        : { input, output, cachedInput: nanos(pricing?.cachedInputPerMillionTokens) ?? input },
    replicaHour: (nanos(pricing?.gpuHour) ?? 0) * tensor * pipeline * data,
  }
}

function nanos(text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseMoney(text)
}

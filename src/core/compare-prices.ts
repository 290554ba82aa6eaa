import type { TokenPrices } from './prices.ts'

/** What somebody's traffic was, over some days. Money in nanos. */
export interface Traffic {
  readonly days: number
  readonly queries: bigint
  /** Cached ones among them. */
  readonly input: bigint
  readonly cachedInput: bigint
  readonly output: bigint
  readonly gpuMs: bigint
}

export interface Comparison {
  /** The same traffic at the other's prices. */
  readonly theirNanos: bigint
  /** At so many queries a day one replica, on all day, costs what theirs do; undefined: never, theirs are free. */
  readonly queriesPerDay: number | undefined
  /** What a replica's hour may cost at the present traffic. */
  readonly replicaHourNanos: number
  /** How busy that replica is at break-even; above 1 one is not enough. */
  readonly utilisation: number | undefined
}

const million = 1_000_000n
const dayMs = 86_400_000

/** Against a price list, with what an hour of one replica costs. */
export function comparePrices(
  traffic: Traffic,
  prices: TokenPrices,
  replicaHourNanos: number,
): Comparison {
  const { days, queries, input, cachedInput, output, gpuMs } = traffic
  const theirNanos =
    ((input - cachedInput) * BigInt(prices.input) +
      cachedInput * BigInt(prices.cachedInput) +
      output * BigInt(prices.output)) /
    million
  const perQuery = queries === 0n ? 0 : Number(theirNanos) / Number(queries)
  const queriesPerDay = perQuery === 0 ? undefined : (24 * replicaHourNanos) / perQuery
  return {
    theirNanos,
    queriesPerDay,
    replicaHourNanos: Math.floor(Number(theirNanos) / days / 24),
    utilisation:
      queriesPerDay === undefined || queries === 0n
        ? undefined
        : (queriesPerDay * Number(gpuMs)) / Number(queries) / dayMs,
  }
}

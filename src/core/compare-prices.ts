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
  /** At so many queries a day one replica, on all day, costs what theirs do; undefined: at no number of them. */
  readonly queriesPerDay: number | undefined
  /** What a replica's hour may cost at the present traffic, as far as one replica carries it. */
  readonly replicaHourNanos: number
  /** How busy a replica has to be to cost what theirs do; above 1 it cannot be. Undefined: theirs are free, or nothing was asked. */
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
  const perDay = perQuery === 0 ? undefined : (24 * replicaHourNanos) / perQuery
  const utilisation =
    perDay === undefined ? undefined : (perDay * Number(gpuMs)) / Number(queries) / dayMs
  return {
    theirNanos,
    // A full replica that costs more than theirs does so however many of them there are.
    queriesPerDay: (utilisation ?? 0) > 1 ? undefined : perDay,
    // Traffic that fills several replicas pays for several.
    replicaHourNanos: Math.floor(
      Number(theirNanos) / days / 24 / Math.max(1, utilisationOf(traffic)),
    ),
    utilisation,
  }
}

/** Replicas that the traffic kept busy: 0.2 is a fifth of one. */
export function utilisationOf({ days, gpuMs }: Traffic): number {
  return Number(gpuMs) / (days * dayMs)
}

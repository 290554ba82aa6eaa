/** Prices as whole nanos: see `money.ts`. */
const tokensPerPrice = 1_000_000
const msPerHour = 3_600_000

/** What so many tokens cost at a price for a million, rounded up to a nano: nothing is ever free by rounding. */
export function tokenCost(tokens: number, nanosPerMillion: number): number {
  return share(tokens, nanosPerMillion, tokensPerPrice)
}

/** What GPU time costs at a price for an hour, rounded up to a nano. */
export function gpuCost(gpuMs: number, nanosPerHour: number): number {
  return share(gpuMs, nanosPerHour, msPerHour)
}

/** The product may pass 2^53 where the result does not; a result that does is the greatest there is, and fits nowhere. */
function share(count: number, price: number, per: number): number {
  const product = count * price
  if (product <= Number.MAX_SAFE_INTEGER) {
    const rest = product % per
    return (product - rest) / per + (rest > 0 ? 1 : 0)
  }
  const cost = (BigInt(count) * BigInt(price) + BigInt(per) - 1n) / BigInt(per)
  return cost < BigInt(Number.MAX_SAFE_INTEGER) ? Number(cost) : Number.MAX_SAFE_INTEGER
}

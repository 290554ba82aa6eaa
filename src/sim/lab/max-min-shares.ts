export interface Ask {
  readonly asked: number
  readonly weight: number
}

/** Nobody gets more than asked for; what that leaves goes to the others, by weight. */
export function maxMinShares(asks: readonly Ask[], capacity: number): readonly number[] {
  const shares = asks.map(() => 0)
  let left = capacity
  let open = asks.map((ask, at) => ({ ...ask, at }))
  while (open.length > 0) {
    const level = left / open.reduce((sum, { weight }) => sum + weight, 0)
    const content = open.filter(({ asked, weight }) => asked <= level * weight)
    if (content.length === 0) {
      for (const { at, weight } of open) {
        shares[at] = level * weight
      }
      return shares
    }
    for (const { at, asked } of content) {
      shares[at] = asked
      left -= asked
    }
    open = open.filter(({ asked, weight }) => asked > level * weight)
  }
  return shares
}

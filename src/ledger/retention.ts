/** How long and how much is kept of what ended: the same in every store, so that they answer alike. */
export const retention = {
  /** A counter after its window: clocks of gateways and store may differ by this much, and late settlements still count. */
  counterMs: 60_000,
  /** The mark that a hold was settled: a second settlement within it changes nothing, and later ones find no hold. */
  settledMs: 60_000,
  /** A hold that lapsed can be corrected for this long. */
  lapsedMs: 3_600_000,
  /** So many of them are told at once. */
  lapsedTold: 100,
} as const

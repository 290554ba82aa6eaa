/** A cap as one of several gateways may grant it, each by itself: a part of it, and at least 1 so that nobody is shut out. */
export function shareOfCap(cap: number, gateways: number): number {
  return cap === 0 ? 0 : Math.max(1, Math.floor(cap / Math.max(1, gateways)))
}

import type { Cap } from './terms.ts'

/** A cap as one of several gateways may grant it, each by itself: a part of it, and at least 1 so that nobody is shut out. */
export function shareOfCap(cap: Cap, gateways: number): Cap {
  return cap.cap === 0 || gateways <= 1
    ? cap
    : { ...cap, cap: Math.max(1, Math.floor(cap.cap / gateways)) }
}

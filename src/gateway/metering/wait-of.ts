import type { Caller, RouteTarget } from '../../core/resolve.ts'
import { smallestOf } from '../../core/terms.ts'

/** How long a request may wait: the least of what the caller said and what `maxQueueSeconds` say. */
export function waitOf(
  { terms }: Caller,
  target: RouteTarget,
  waitMs: number | undefined,
): number | undefined {
  const most = smallestOf('maxQueueSeconds', terms, target.terms)
  return most === undefined ? waitMs : Math.min(waitMs ?? Infinity, most.value * 1000)
}

import type { UsageQuery } from './types.ts'

/** Where each bucket starts; the first one may start before the query does. */
export function bucketStarts({ fromMs, bucketsMs }: UsageQuery): readonly number[] {
  const [first] = bucketsMs ?? []
  return first === undefined || first > fromMs ? [fromMs, ...(bucketsMs ?? [])] : (bucketsMs ?? [])
}

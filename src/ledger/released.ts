import type { Settlement } from './types.ts'

/** What ends a hold that came to nothing: no use, as far as the caller knows. */
export const released: Settlement = { used: [], exactness: 'LowerBound' }

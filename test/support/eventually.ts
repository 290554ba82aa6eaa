import { expect } from 'vitest'

/** What `vi.waitFor` is given where nothing but the condition counts. */
export const patience = { timeout: 15_000, interval: 10 }

/** `expect.poll` with time enough for a busy machine: a condition that comes true ends it at once. */
export function eventually<T>(read: () => T | Promise<T>) {
  return expect.poll(read, patience)
}

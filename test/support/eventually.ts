import { expect } from 'vitest'

/** `expect.poll` with time enough for a busy machine: a condition that comes true ends it at once. */
export function eventually<T>(read: () => T | Promise<T>) {
  return expect.poll(read, { timeout: 15_000, interval: 10 })
}

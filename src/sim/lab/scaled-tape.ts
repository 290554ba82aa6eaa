import type { Tape } from './tape.ts'

/** The same requests in the same order, `load` times as many a second. */
export function scaledTape(tape: Tape, load: number): Tape {
  return load === 1 ? tape : tape.map((entry) => ({ ...entry, atMs: entry.atMs / load }))
}

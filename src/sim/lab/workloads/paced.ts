import type { Tape } from '../tape.ts'

/**
 * A recorded tape played faster or slower, so that it has `rate` requests a second on average, and cut after `seconds`.
 * Undefined: as recorded.
 */
export function paced(tape: Tape, rate: number | undefined, seconds: number | undefined): Tape {
  const lastMs = tape.at(-1)?.atMs ?? 0
  const factor = rate === undefined || lastMs === 0 ? 1 : tape.length / (lastMs / 1000) / rate
  const played =
    factor === 1 ? tape : tape.map((entry) => ({ ...entry, atMs: entry.atMs * factor }))
  return seconds === undefined ? played : played.filter(({ atMs }) => atMs <= seconds * 1000)
}

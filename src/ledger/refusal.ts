import type { Counter, Fits, Line, Refused, ShortLine } from './types.ts'

/** What nothing may pass, with or without a cap of its own: sums stay exact in every store. */
export const greatest = Number.MAX_SAFE_INTEGER

export function capOf(line: Line): number {
  return line.cap ?? greatest
}

/** Whether the line's amount still fits beside what is used and held. */
export function hasRoom(line: Line, { committed, held }: Counter): boolean {
  return committed + held + line.amount <= capOf(line)
}

/** The words of a refusal, from the counters as they were found. */
export function refusal(lines: readonly Line[], counters: readonly Counter[]): Refused {
  const short = lines.flatMap((line, index): readonly ShortLine[] => {
    const counter = counters[index]
    return counter === undefined || hasRoom(line, counter)
      ? []
      : [{ ...counter, line, fits: fitOf(line, counter) }]
  })
  return { outcome: 'Refused', counters, short }
}

function fitOf(line: Line, { committed }: Counter): Fits {
  if (line.amount > capOf(line)) {
    return 'Never'
  }
  return committed + line.amount > capOf(line) ? 'AtWindowEnd' : 'WhenHoldsEnd'
}

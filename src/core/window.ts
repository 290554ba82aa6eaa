/** A span of a calendar in which use is counted. */
export type WindowUnit = 'Minute' | 'Day' | 'Month'

export interface Window {
  /** Part of a counter's key: `29384756`, `2026-11-20`, `2026-11`. */
  readonly id: string
  readonly startsAtMs: number
  /** When the next one starts. */
  readonly endsAtMs: number
}

const minuteMs = 60_000
const hourMs = 3_600_000
/** Longer than any day or month of any calendar, clock changes included. */
const longestMs = { Day: 50 * hourMs, Month: 33 * 24 * hourMs } as const

/**
 * The window that a moment lies in. Days and months are those of an IANA time zone, so a day has 23 to 25 hours; a minute is
 * the same everywhere. Costs some hundred microseconds for days and months: see `WindowCache`.
 * @throws RangeError for a time zone that is none.
 */
export function windowAt(unit: WindowUnit, timeZone: string, nowMs: number): Window {
  if (unit === 'Minute') {
    const minute = Math.floor(nowMs / minuteMs)
    return {
      id: String(minute),
      startsAtMs: minute * minuteMs,
      endsAtMs: (minute + 1) * minuteMs,
    }
  }
  const labelAt = labeller(unit, timeZone)
  const id = labelAt(nowMs)
  const reach = longestMs[unit]
  return {
    id,
    startsAtMs: firstMoment(nowMs - reach, nowMs, (atMs) => labelAt(atMs) >= id),
    endsAtMs: firstMoment(nowMs, nowMs + reach, (atMs) => labelAt(atMs) > id),
  }
}

/** The first millisecond after `fromMs` at which `holds` does, knowing that it does at `toMs` and goes on doing so. */
function firstMoment(fromMs: number, toMs: number, holds: (atMs: number) => boolean): number {
  let [before, after] = [fromMs, toMs]
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2)
    if (holds(middle)) {
      after = middle
    } else {
      before = middle
    }
  }
  return after
}

/** `2026-11-20` or `2026-11` on the wall calendar there; text that sorts as time does. */
function labeller(unit: 'Day' | 'Month', timeZone: string): (atMs: number) => string {
  const format = new Intl.DateTimeFormat('en-CA', {
    timeZone,
    calendar: 'iso8601',
    year: 'numeric',
    month: '2-digit',
    ...(unit === 'Day' ? { day: '2-digit' } : {}),
  })
  return (atMs) => format.format(atMs)
}

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { WindowCache } from './window-cache.ts'
import { isTimeZone } from '../api/time-zone.ts'
import { windowAt, type WindowUnit } from './window.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs

/** By the wall clock of `en-US`, which has other words than the code, minute by minute. */
function wallDate(timeZone: string, unit: WindowUnit): (atMs: number) => string {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    dateStyle: 'short',
  })
  return (atMs) => {
    const [month, day, year] = format.format(atMs).split('/')
    return unit === 'Month' ? `${year}/${month}` : `${year}/${month}/${day}`
  }
}

/** Walks on in quarters of an hour (where every zone's changes lie) until the wall shows something else. */
function slowEnd(unit: WindowUnit, timeZone: string, nowMs: number): number {
  const show = wallDate(timeZone, unit)
  const shown = show(nowMs)
  const quarter = 15 * minuteMs
  let atMs = Math.floor(nowMs / quarter) * quarter
  while (show(atMs) === shown || atMs <= nowMs) {
    atMs += unit === 'Month' && show(atMs + 26 * hourMs) === shown ? 26 * hourMs : quarter
  }
  return atMs
}

const zones = ['UTC', ...Intl.supportedValuesOf('timeZone')]
const moments = fc.integer({ min: Date.UTC(2015, 0), max: Date.UTC(2036, 0) })

test('days and months end when the wall calendar of their zone turns, in every zone', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...zones),
      fc.constantFrom('Day' as const, 'Month' as const),
      moments,
      (zone, unit, nowMs) => {
        const { id, startsAtMs, endsAtMs } = windowAt(unit, zone, nowMs)
        expect(endsAtMs).toBe(slowEnd(unit, zone, nowMs))
        expect(startsAtMs).toBeLessThanOrEqual(nowMs)
        expect(windowAt(unit, zone, startsAtMs - 1).endsAtMs).toBe(startsAtMs)
        expect(windowAt(unit, zone, startsAtMs)).toEqual({ id, startsAtMs, endsAtMs })
        expect(windowAt(unit, zone, endsAtMs).id > id).toBe(true)
      },
    ),
    { numRuns: 200 },
  )
})

describe('days around clock changes', () => {
  test.each([
    ['Europe/Berlin', '2026-03-29T12:00:00Z', '2026-03-29', 23],
    ['Europe/Berlin', '2026-10-25T12:00:00Z', '2026-10-25', 25],
    ['America/New_York', '2026-11-01T12:00:00Z', '2026-11-01', 25],
    // Midnight itself is skipped, or comes twice.
    ['America/Santiago', '2026-09-06T12:00:00Z', '2026-09-06', 23],
    ['America/Santiago', '2026-04-04T12:00:00Z', '2026-04-04', 25],
    ['Australia/Lord_Howe', '2026-10-04T00:00:00Z', '2026-10-04', 23.5],
    ['Asia/Kathmandu', '2026-10-04T00:00:00Z', '2026-10-04', 24],
    // The day that Samoa left out.
    ['Pacific/Apia', '2011-12-30T09:00:00Z', '2011-12-29', 24],
    ['Pacific/Apia', '2011-12-30T11:00:00Z', '2011-12-31', 24],
  ])('%s at %s: %s has %f hours', (zone, at, id, hours) => {
    const window = windowAt('Day', zone, Date.parse(at))
    expect(window.id).toBe(id)
    expect((window.endsAtMs - window.startsAtMs) / hourMs).toBe(hours)
  })
})

test('a month has the days of its calendar, and the hours of its zone', () => {
  const days = (zone: string, at: string): number => {
    const { startsAtMs, endsAtMs } = windowAt('Month', zone, Date.parse(at))
    return (endsAtMs - startsAtMs) / (24 * hourMs)
  }
  expect(days('UTC', '2028-02-10T00:00:00Z')).toBe(29)
  expect(days('Europe/Berlin', '2026-03-10T00:00:00Z')).toBe(31 - 1 / 24)
  expect(windowAt('Month', 'Asia/Tokyo', Date.parse('2026-11-30T15:00:00Z')).id).toBe('2026-12')
})

test('minutes are counted from 1970', () => {
  expect(windowAt('Minute', 'Asia/Kathmandu', 1_763_085_374_321)).toEqual({
    id: '29384756',
    startsAtMs: 1_763_085_360_000,
    endsAtMs: 1_763_085_420_000,
  })
})

test('the cache answers as the calendar does', () => {
  const cache = new WindowCache()
  fc.assert(
    fc.property(
      fc.constantFrom('UTC', 'Europe/Berlin', 'America/Santiago'),
      fc.constantFrom<WindowUnit>('Minute', 'Day', 'Month'),
      fc.integer({ min: Date.UTC(2026, 2, 28), max: Date.UTC(2026, 3, 2) }),
      (zone, unit, nowMs) => {
        expect(cache.at(unit, zone, nowMs)).toEqual(windowAt(unit, zone, nowMs))
      },
    ),
  )
})

test('a zone is known by its name', () => {
  expect(isTimeZone('Europe/Berlin')).toBe(true)
  expect(isTimeZone('Europe/Nowhere')).toBe(false)
})

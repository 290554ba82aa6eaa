import { expect, test } from 'vitest'
import { timeText } from './lab-table.ts'

const rows: readonly [number, string][] = [
  [0, '0.0 ms'],
  [43.21, '43.2 ms'],
  [870.4, '870 ms'],
  [9999, '9999 ms'],
  [12_340, '12.3 s'],
]

test.each(rows)('%s milliseconds are written as %s', (ms, text) => {
  expect(timeText(ms)).toBe(text)
})

import { expect, test } from 'vitest'
import { aRequest } from '../../../test/support/lab-fleet.ts'
import { windowsOf } from './window-figures.ts'

test('requests count in the window they arrived in, at most 120 windows of whole seconds', () => {
  const requests = Array.from({ length: 2400 }, (_, at) => {
    const request = aRequest({ atMs: at * 100, output: 2 })
    request.firstTokenMs = request.arrivedMs + (at < 1200 ? 100 : 2000)
    request.endMs = request.firstTokenMs + 10
    return request
  })
  const windows = windowsOf(requests, { ttftMs: 1000, tpotMs: 50 })
  expect(windows).toHaveLength(119)
  expect(windows[0]).toEqual({
    atMs: 1000,
    arrivedPerSecond: 10,
    goodPerSecond: 10,
    ttftP99Ms: 100,
    tpotP99Ms: 10,
  })
  const last = windows.at(-1)
  expect(last).toMatchObject({ goodPerSecond: 0, ttftP99Ms: 2000 })
  expect(last?.arrivedPerSecond).toBeCloseTo(10, 0)
})

import { describe, expect, it } from 'vitest'
import { aRequest } from '../../../test/support/lab-fleet.ts'
import type { LabRequest } from './lab-request.ts'
import { outcomeOf, quantileOf } from './outcome.ts'

describe('quantileOf', () => {
  const hundred = Float64Array.from({ length: 100 }, (_, at) => at + 1)
  const rows: readonly [number, number][] = [
    [0.5, 50],
    [0.99, 99],
    [1, 100],
    [0, 1],
  ]
  it.each(rows)('takes the nearest rank: %s of 1 to 100 is %s', (part, wanted) => {
    expect(quantileOf(hundred, part)).toBe(wanted)
  })

  it('is 0 of nothing', () => {
    expect(quantileOf(new Float64Array(), 0.5)).toBe(0)
  })
})

/** Arrives, has its first token and ends at these milliseconds. */
function answered(atMs: number, firstTokenMs: number, endMs: number, output = 11): LabRequest {
  const request = aRequest({ atMs, output })
  request.firstTokenMs = firstTokenMs
  request.endMs = endMs
  return request
}

const objective = { ttftMs: 1000, tpotMs: 50 }
const run = (requests: readonly LabRequest[]) => ({
  policy: 'p',
  requests,
  diskReads: 4,
  endMs: 0,
  meanActive: 2.5,
  gpuMs: 0,
  scaling: [],
})

describe('outcomeOf', () => {
  const requests = [
    answered(0, 9000, 9001),
    answered(1000, 1100, 1500),
    answered(2000, 3001, 3400),
    answered(3000, 3200, 4200),
    answered(4000, 4500, 4500, 1),
    aRequest({ atMs: 6000 }),
  ]
  const outcome = outcomeOf(run(requests), objective, 1000)

  it('leaves out what arrived in the warm-up, and counts what did not end as missed', () => {
    expect(outcome).toMatchObject({ requests: 5, completed: 4, diskReads: 4, meanActive: 2.5 })
    // Late first token; 100 ms a token; never ended.
    expect(outcome.attainment).toBe(2 / 5)
  })

  it('gives rates over the time from the warm-up to the last arrival', () => {
    expect(outcome.offeredPerSecond).toBe(1)
    expect(outcome.goodPerSecond).toBe(0.4)
  })

  it('takes latencies of what ended, and time a token of answers that have two', () => {
    expect(outcome.ttftMeanMs).toBe((100 + 1001 + 200 + 500) / 4)
    expect(outcome.ttftP50Ms).toBe(200)
    expect(outcome.ttftP99Ms).toBe(1001)
    expect(outcome.tpotMeanMs).toBeCloseTo((40 + 39.9 + 100) / 3)
    expect(outcome.tpotP99Ms).toBe(100)
  })
})

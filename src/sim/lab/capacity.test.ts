import { expect, test } from 'vitest'
import { capacitiesOf, capacityText } from './capacity.ts'
import type { LabRecord } from './lab-record.ts'

function record(policy: string, offeredPerSecond: number, attainment: number): LabRecord {
  const outcome = {
    policy,
    requests: 100,
    completed: 100,
    attainment,
    offeredPerSecond,
    goodPerSecond: offeredPerSecond * attainment,
    ttftMeanMs: 0,
    ttftP50Ms: 0,
    ttftP99Ms: 0,
    tpotMeanMs: 0,
    tpotP99Ms: 0,
    diskReads: 0,
    meanActive: 0,
  }
  return {
    rules: { policy, queue: 'lines', scaler: 'fixed' },
    name: policy,
    load: offeredPerSecond,
    outcome,
    refused: 0,
    gap: undefined,
    scaling: undefined,
    moments: [],
    timeline: [],
    windows: [],
  }
}

test('capacity lies between the last load that is kept and the first that is not', () => {
  const records = [record('a', 40, 0.79), record('a', 20, 1), record('a', 60, 1)]
  const [capacity] = capacitiesOf(records)
  // 1 to 0.79 over 20/s: 0.99 is a twenty-first of the way.
  expect(capacity).toMatchObject({ name: 'a', bound: 'Exact' })
  expect(capacity?.perSecond).toBeCloseTo(20 + 20 / 21)
})

test('a policy that keeps every load, or none, has a bound only', () => {
  const records = [record('all', 20, 1), record('all', 40, 0.99), record('none', 20, 0.5)]
  expect(capacitiesOf(records).map(capacityText)).toEqual(['> 40.0/s', '< 20.0/s'])
})

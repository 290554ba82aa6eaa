import { expect, test } from 'vitest'
import { aFleet, busy } from '../../../test/support/lab-fleet.ts'
import { Timeline } from './timeline.ts'

test('a point sums what waits anywhere and takes the mean of slots', () => {
  const fleet = aFleet(2, { maxLoras: 1 })
  busy(fleet[0], 3, 1)
  // A second adapter has no slot there.
  busy(fleet[0], 2, 2)
  // What came while a step ran waits for the next.
  fleet[0]?.model.advance(fleet[0].model.nextEventMs() ?? 0)
  const timeline = new Timeline()
  timeline.observe(1000, fleet, 4)
  expect(timeline.points).toEqual([
    { atMs: 1000, waiting: 2 + 4, running: 3, slotsUsed: 0.5, replicas: 2 },
  ])
})

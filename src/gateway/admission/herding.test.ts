// Four gateways in simulated time that hear of each other every 100 ms. In brackets, what the same seeds gave when each of
// them counted with what it had heard, and all had one order of replicas.
import { describe, expect, test } from 'vitest'
import { simulateHerd, type HerdOptions } from '../../../test/support/herd-simulation.ts'

const four: Omit<HerdOptions, 'seed'> = {
  gateways: 4,
  replicas: 16,
  perSecond: 4000,
  answerMs: 400,
  staleMs: 100,
  lastFromMs: 0,
}

describe.each([1, 2, 3])('gateways do not herd (seed %i)', (seed) => {
  test('to a replica that has just come: it gets its share, not that of each of them', async () => {
    const { worst } = await simulateHerd({ ...four, lastFromMs: 1500, seed }, 3)
    expect(worst).toBeLessThan(1.35) // (1.64)
  })

  test('while all replicas are busy', async () => {
    const { worst } = await simulateHerd({ ...four, seed }, 3)
    expect(worst).toBeLessThan(1.2) // (1.22)
  })

  test('to the first of many that are idle', async () => {
    const { most } = await simulateHerd({ ...four, perSecond: 80, answerMs: 100, seed }, 10)
    expect(most).toBeLessThan(4) // (4)
  })
})

test('one that chooses alone does as well', async () => {
  const { worst } = await simulateHerd({ ...four, gateways: 1, lastFromMs: 1500, seed: 1 }, 3)
  expect(worst).toBeLessThan(1.35)
})

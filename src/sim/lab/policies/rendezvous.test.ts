import { expect, test } from 'vitest'
import { aFleet, aRequest, aView, busy } from '../../../../test/support/lab-fleet.ts'
import { rendezvous } from './rendezvous.ts'

function hostOf(adapter: number, fleet: ReturnType<typeof aFleet>): number | undefined {
  const decided = rendezvous().route(aRequest({ adapter }), aView(fleet))
  return decided.choice === 'Send' ? decided.to.index : undefined
}

const adapters = Array.from({ length: 400 }, (_, at) => at + 1)

test('an adapter stays at its replica, however busy', () => {
  const fleet = aFleet(4)
  const host = hostOf(9, fleet)
  busy(fleet[host ?? 0], 50, 9)
  expect(hostOf(9, fleet)).toBe(host)
})

test('adapters are spread, and a new replica takes only its own', () => {
  const four = aFleet(4)
  const five = aFleet(5)
  const moved = adapters.filter((adapter) => hostOf(adapter, four) !== hostOf(adapter, five))
  expect(moved.every((adapter) => hostOf(adapter, five) === 4)).toBe(true)
  expect(moved.length).toBeGreaterThan(50)
  expect(moved.length).toBeLessThan(115)
})

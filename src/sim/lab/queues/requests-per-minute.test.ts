import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { aLabRequest } from '../../../../test/support/queue-toy.ts'
import { RequestsPerMinute } from './requests-per-minute.ts'
import { TenantQueue } from './tenant-queue.ts'

test('no tenant has more than its number admitted in any minute', () => {
  const gaps = fc.array(fc.integer({ min: 0, max: 20_000 }), { minLength: 1, maxLength: 80 })
  fc.assert(
    fc.property(gaps, fc.integer({ min: 1, max: 6 }), (all, limit) => {
      const order = new RequestsPerMinute(limit)
      const admitted: number[] = []
      let nowMs = 0
      for (const gap of all) {
        nowMs += gap
        const isFull = admitted.filter((at) => nowMs - at <= 60_000).length >= limit
        const isAdmitted = order.admits(aLabRequest(), nowMs)
        expect(isAdmitted).toBe(!isFull)
        if (isAdmitted) {
          admitted.push(nowMs)
        }
      }
    }),
  )
})

test('the others are refused for good, though there be room', () => {
  const queue = new TenantQueue(new RequestsPerMinute(1))
  const sent: unknown[] = []
  const take = (request: unknown): boolean => sent.push(request) > 0
  const [first, second, other] = [
    aLabRequest({ tenant: 'a' }),
    aLabRequest({ tenant: 'a' }),
    aLabRequest({ tenant: 'b' }),
  ]
  for (const request of [first, second, other]) {
    queue.arrive(request, take, 0)
  }
  expect(sent).toEqual([first, other])
  expect(queue.refused.has(second)).toBe(true)
  expect(queue.length).toBe(0)
})

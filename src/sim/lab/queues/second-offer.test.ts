import { expect, test } from 'vitest'
import { aLabRequest } from '../../../../test/support/queue-toy.ts'
import { FirstCome } from './first-come.ts'
import { SecondOffer } from './second-offer.ts'
import { TenantQueue } from './tenant-queue.ts'

test('a place goes to one that does not belong there only when nobody does who waits', () => {
  const queue = new SecondOffer(new TenantQueue(new FirstCome()))
  const [stranger, local] = [
    aLabRequest({ tenant: 'stranger', atMs: 1 }),
    aLabRequest({ tenant: 'local', atMs: 2 }),
  ]
  for (const request of [stranger, local]) {
    queue.arrive(request, () => false, request.arrivedMs)
  }
  let places = 1
  const sent: unknown[] = []
  const take = (request: unknown): boolean => {
    const isTaken = places > 0 && (request === local || queue.isSecond)
    places -= isTaken ? 1 : 0
    return isTaken && sent.push(request) > 0
  }
  queue.offer(take, 3)
  expect(sent).toEqual([local])
  places = 1
  queue.offer(take, 4)
  expect(sent).toEqual([local, stranger])
  expect(queue.length).toBe(0)
  expect(queue.isSecond).toBe(false)
})

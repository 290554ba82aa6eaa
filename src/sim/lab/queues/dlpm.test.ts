import { expect, test } from 'vitest'
import { aLabRequest } from '../../../../test/support/queue-toy.ts'
import { Dlpm } from './dlpm.ts'

test('of tenants with something left, the request with the longest cached prefix is next', () => {
  const order = new Dlpm({ quantum: 1000 })
  order.began(aLabRequest({ tenant: 'a', input: 64, blocks: [1, 2, 3, 4] }))
  const unlike = aLabRequest({ tenant: 'a', atMs: 1, input: 64, blocks: [9] })
  const alike = aLabRequest({ tenant: 'b', atMs: 2, input: 64, blocks: [1, 2, 8] })
  expect(order.next([unlike, alike])).toBe(alike)
})

test('cached tokens are not charged', () => {
  const order = new Dlpm()
  order.began(aLabRequest({ tenant: 'a', input: 64, blocks: [1, 2, 3, 4] }))
  expect(order.deficitOf('a')).toBe(-64)
  order.began(aLabRequest({ tenant: 'b', input: 64, blocks: [1, 2] }))
  expect(order.deficitOf('b')).toBe(-32)
  order.token(aLabRequest({ tenant: 'b' }))
  expect(order.deficitOf('b')).toBe(-34)
})

test('who has used up more than its quantum waits for those who have not, whatever is cached', () => {
  const order = new Dlpm({ quantum: 100 })
  const first = aLabRequest({ tenant: 'a', input: 260, blocks: [1, 2, 3] })
  expect(order.next([first])).toBe(first)
  order.began(first)
  expect(order.deficitOf('a')).toBe(-160)
  const cached = aLabRequest({ tenant: 'a', input: 260, blocks: [1, 2, 3] })
  const other = aLabRequest({ tenant: 'b', atMs: 9, input: 20 })
  expect(order.next([cached, other])).toBe(other)
  order.began(other)
  // One refill for both, since neither had anything left.
  expect([order.deficitOf('a'), order.deficitOf('b')]).toEqual([-60, 80])
})

test('nothing is refilled for a request that found no place', () => {
  const order = new Dlpm({ quantum: 100 })
  order.began(aLabRequest({ tenant: 'a', input: 50 }))
  order.next([aLabRequest({ tenant: 'a', atMs: 1 })])
  order.next([aLabRequest({ tenant: 'a', atMs: 1 })])
  expect(order.deficitOf('a')).toBe(-50)
})

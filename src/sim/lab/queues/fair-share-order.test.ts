import { expect, test } from 'vitest'
import { aLabRequest } from '../../../../test/support/queue-toy.ts'
import { FairShareOrder } from './fair-share-order.ts'

test('an answer is charged once a second while it comes, and to the token at its end', () => {
  const charges: number[] = []
  const order = new FairShareOrder(
    () => 2,
    (_request, amount) => charges.push(amount),
  )
  const request = aLabRequest({ tenant: 'a', input: 30 })
  order.began(request)
  expect(order.fair.turnOf('a')).toBe(15)
  for (const nowMs of [100, 200, 1100]) {
    order.token(request, nowMs)
  }
  expect(order.fair.turnOf('a')).toBe(15 + 3)
  order.token(request, 1200)
  order.ended(request)
  expect(order.fair.turnOf('a')).toBe(15 + 4)
  expect(charges.reduce((sum, amount) => sum + amount, 0)).toBe(19)
})

test('the tenant served least by its weight is next', () => {
  const order = new FairShareOrder((tenant) => (tenant === 'b' ? 3 : 1))
  for (const tenant of ['a', 'b']) {
    const request = aLabRequest({ tenant, input: 300 })
    order.entered(request)
    order.began(request)
  }
  const [a, b] = ['a', 'b'].map((tenant) => aLabRequest({ tenant }))
  expect(order.next([a, b].filter((one) => one !== undefined))).toBe(b)
})

test('a tenant lags by what those that go now are ahead of it', () => {
  const order = new FairShareOrder()
  order.entered(aLabRequest({ tenant: 'late' }))
  for (let at = 0; at < 3; at += 1) {
    order.began(aLabRequest({ tenant: 'a', input: 500 }))
  }
  expect(order.fair.now).toBe(1000)
  expect(order.lagOf(aLabRequest({ tenant: 'late' }))).toBe(1000)
})

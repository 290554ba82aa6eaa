import { expect, test } from 'vitest'
import { aLabRequest } from '../../../../test/support/queue-toy.ts'
import { Vtc } from './vtc.ts'

test('a prompt is charged when it begins, an answer token by token, by weight', () => {
  const order = new Vtc((tenant) => (tenant === 'a' ? 2 : 1))
  const request = aLabRequest({ tenant: 'a', input: 30 })
  order.began(request)
  order.token(request)
  expect(order.counterOf('a')).toBe(16)
})

test('who comes back is lifted to the least of those that wait', () => {
  const order = new Vtc()
  for (const [tenant, input] of [
    ['a', 100],
    ['b', 300],
  ] as const) {
    order.began(aLabRequest({ tenant, input }))
    order.entered(aLabRequest({ tenant }))
  }
  order.entered(aLabRequest({ tenant: 'c' }))
  expect(order.counterOf('c')).toBe(100)
})

test('and to the last that waited where nobody does', () => {
  const order = new Vtc()
  const last = aLabRequest({ tenant: 'a', input: 100 })
  order.entered(last)
  order.began(last)
  order.left(last)
  order.entered(aLabRequest({ tenant: 'b' }))
  expect(order.counterOf('b')).toBe(100)
})

test('the one served least is next, and of equals the one that came first', () => {
  const order = new Vtc()
  order.began(aLabRequest({ tenant: 'a', input: 100 }))
  const [a, b, c] = ['a', 'b', 'c'].map((tenant, at) => aLabRequest({ tenant, atMs: 9 - at }))
  expect(order.next([a, b, c].filter((one) => one !== undefined))).toBe(c)
})

import { expect, test } from 'vitest'
import { KnownUsers } from './known-users.ts'

const users = () => new KnownUsers(Buffer.alloc(32, 7))

test('a user of a tenant has one hash, another tenant’s user of that name another', () => {
  const known = users()
  const ada = known.of('acme', 'ada')
  expect(ada.hash).toMatch(/^[\w-]{22}$/)
  expect(known.of('acme', 'ada')).toBe(ada)
  expect(users().of('acme', 'ada').hash).toBe(ada.hash)
  expect(known.of('globex', 'ada').hash).not.toBe(ada.hash)
  expect(known.of('acme', '').hash).toBe('')
})

test('whoever is forgotten has the same hash again', () => {
  const known = users()
  const { hash } = known.of('acme', 'ada')
  for (let user = 0; user < 20_001; user += 1) {
    known.of('acme', `user-${user}`)
  }
  expect(known.of('acme', 'ada').hash).toBe(hash)
})

test('the caps of a user follow the limits', () => {
  const ada = users().of('acme', 'ada')
  const limits = { requestsPerMinute: 3 }
  const caps = ada.capsOf(limits, ada.hash)
  expect(caps.map(({ name, cap }) => [name, cap])).toEqual([['requestsPerMinute', 3]])
  expect(ada.capsOf(limits, ada.hash)).toBe(caps)
  expect(ada.capsOf({ requestsPerMinute: 4 }, ada.hash)[0]?.cap).toBe(4)
  expect(ada.capsOf(limits, 'others-a')).not.toEqual(caps)
})

import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { aKey, aTenant } from '../../test/support/builders.ts'
import { capsOfUser, smallestOf, targetTermsOf, termsOf } from './terms.ts'

const targetRef = { kind: 'LoraAdapter', namespace: 'acme', name: 'tickets' }

test('every limit of tenant, key and budget is a counter of its own', () => {
  const tenant = aTenant('acme')
    .with({
      limits: { requestsPerMinute: 60, concurrentRequests: 4, maxOutputTokens: 100 },
      budgets: [
        { name: 'both', window: 'Month', timeZone: 'Europe/Berlin', tokens: 10, amount: '1.5' },
        { name: 'soft', window: 'Day', tokens: 5, action: 'Warn' },
      ],
    })
    .build()
  const { caps } = termsOf(
    tenant,
    aKey('k')
      .with({ limits: { tokensPerDay: 7 } })
      .build(),
  )
  expect(
    caps.map(({ scope, name, counts, cap, blocks }) => [scope, name, counts, cap, blocks]),
  ).toEqual([
    ['tenant', 'requestsPerMinute', 'Requests', 60, true],
    ['tenant', 'concurrentRequests', 'Leases', 4, true],
    ['key', 'tokensPerDay', 'Tokens', 7, true],
    ['tenant', 'both', 'Tokens', 10, true],
    ['tenant', 'both', 'Nanos', 1_500_000_000, true],
    ['tenant', 'soft', 'Tokens', 5, false],
  ])
  const counters = caps.map(({ counter }) => counter.join('|'))
  expect(new Set(counters).size).toBe(counters.length)
})

test('entries for one target are one set of limits, the smallest of each', () => {
  const tenant = aTenant('acme')
    .with({
      models: [
        { name: 'a', targetRef, limits: { requestsPerMinute: 5, tokensPerDay: 9 } },
        { name: 'b', targetRef, limits: { requestsPerMinute: 3 } },
        { name: 'c', targetRef },
        { name: 'd', targetRef: { ...targetRef, kind: 'ModelPool' }, limits: { tokensPerDay: 1 } },
      ],
    })
    .build()
  const terms = targetTermsOf(tenant, 'LoraAdapter', 'acme/tickets')
  expect(terms?.limits).toEqual({ requestsPerMinute: 3, tokensPerDay: 9 })
  expect(targetTermsOf(tenant, 'LoraAdapter', 'acme/other')).toBeUndefined()
})

test('the smallest wins, with whose it is', () => {
  const limit = fc.option(fc.nat(10), { nil: undefined })
  fc.assert(
    fc.property(limit, limit, limit, limit, (tenantMax, keyMax, modelMax, userMax) => {
      const of = (maxOutputTokens: number | undefined) =>
        maxOutputTokens === undefined ? {} : { maxOutputTokens }
      const tenant = aTenant('acme')
        .with({
          limits: of(tenantMax),
          perUser: of(userMax),
          models: [{ name: 'm', targetRef, limits: of(modelMax) }],
        })
        .build()
      const terms = termsOf(
        tenant,
        aKey('k')
          .with({ limits: of(keyMax) })
          .build(),
      )
      const found = smallestOf(
        'maxOutputTokens',
        terms,
        targetTermsOf(tenant, 'LoraAdapter', 'acme/tickets'),
      )
      const all = { tenant: tenantMax, key: keyMax, model: modelMax, user: userMax }
      const least = Math.min(
        ...Object.values(all).map((value) => value ?? Number.POSITIVE_INFINITY),
      )
      expect(found?.value ?? Number.POSITIVE_INFINITY).toBe(least)
      expect(found === undefined || all[found.scope] === found.value).toBe(true)
    }),
  )
})

test('users have counters of their own, and share none with another tenant', () => {
  const names = ['acme', 'globex'].flatMap((tenant) =>
    ['', 'x', 'y'].flatMap((user) =>
      capsOfUser(tenant, user, { requestsPerDay: 1 }).map(({ counter }) => counter.join('|')),
    ),
  )
  expect(new Set(names).size).toBe(6)
})

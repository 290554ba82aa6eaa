import { expect, test } from 'vitest'
import { anAdapter, aPool, aSnapshot, aTenant } from '../../test/support/builders.ts'
import { crossCheck } from './cross-checks.ts'

const pool = aPool('llama')
const acme = aTenant('acme')

test.each([
  [
    'more adapters than the tenant may have',
    [pool, acme.with({ adapterQuota: { count: 1 } }), anAdapter('a'), anAdapter('b')],
    'LoraAdapter/acme/b: adapterQuota.count of its tenant allows 1 adapters',
  ],
  [
    'more copies than it may reserve',
    [pool, acme.with({ adapterQuota: { reservedCopies: 1 } }), anAdapter('a').withCopies(2)],
    'LoraAdapter/acme/a: residency.minCopies is 2; adapterQuota.reservedCopies of its tenant allows 1',
  ],
  [
    'a budget in money over a pool without prices',
    [
      pool,
      acme.with({ budgets: [{ name: 'monthly', window: 'Month', amount: '5' }] }),
      anAdapter('a'),
    ],
    'ModelTenant/acme: Budgets in money (monthly) need prices, and these pools have none: models/llama',
  ],
])('%s are found before anything runs', (_what, objects, want) => {
  const found = crossCheck(aSnapshot(objects))
  expect(found.map(({ identity, message }) => `${identity}: ${message}`)).toEqual([
    expect.stringContaining(want),
  ])
})

test('what fits is said nothing of', () => {
  expect(crossCheck(aSnapshot([pool, acme, anAdapter('a'), anAdapter('b')]))).toEqual([])
})

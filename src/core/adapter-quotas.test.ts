import { expect, test } from 'vitest'
import { anAdapter, anAdapterStatus, aSnapshot, aTenant } from '../../test/support/builders.ts'
import type { LoraAdapterStatus } from '../api/condition.ts'
import type { Intake } from './adapter-plan.ts'
import { AdapterQuotas, type KnownOfAdapters } from './adapter-quotas.ts'

const nothing: KnownOfAdapters = { intakeOf: () => undefined, statusOf: () => undefined }
const acme = aTenant('acme').claiming('acme', 'acme-b')

function accepted(digest: string, sizeBytes: number): Intake {
  return { state: 'Accepted', digest, sizeBytes, rank: 8, compatible: 'True', notices: [] }
}

const keysOf = (grants: ReadonlyMap<string, unknown>): readonly string[] => [...grants.keys()]

test('a tenant’s adapters count together over its namespaces, the oldest first, then by name', () => {
  const snapshot = aSnapshot([
    acme.with({ adapterQuota: { count: 2 } }),
    aTenant('globex').with({ adapterQuota: { count: 1 } }),
    anAdapter('z').createdAt(1),
    anAdapter('b').in('acme-b').createdAt(2),
    anAdapter('b').createdAt(2),
    anAdapter('a').createdAt(3),
    anAdapter('only').in('globex').createdAt(9),
    anAdapter('nobodys').in('elsewhere'),
  ])
  expect(keysOf(new AdapterQuotas().grants(snapshot, nothing))).toEqual(['acme/b', 'acme/a'])
})

test('what becomes known, and what changes, counts in the next round', () => {
  const quotas = new AdapterQuotas()
  const intakes = new Map<string, Intake>()
  const statuses = new Map<string, LoraAdapterStatus>()
  const known: KnownOfAdapters = {
    intakeOf: (key) => intakes.get(key),
    statusOf: (key) => statuses.get(key),
  }
  const tenant = acme.with({ adapterQuota: { storage: '10' } })
  const [old, young] = [anAdapter('old').createdAt(1), anAdapter('young').createdAt(2)]
  const snapshot = aSnapshot([tenant, old, young])
  const beyond = (of = snapshot) => keysOf(quotas.grants(of, known))
  expect(beyond()).toEqual([])
  intakes.set('acme/old', accepted('a', 6))
  intakes.set('acme/young', accepted('b', 6))
  expect(beyond()).toEqual(['acme/young'])
  intakes.delete('acme/young')
  statuses.set('acme/young', {
    ...anAdapterStatus({ candidate: 'r', ready: ['False', 'QuotaExceeded'] }),
    sizeBytes: 6,
  })
  expect(beyond()).toEqual(['acme/young'])
  intakes.set('acme/old', accepted('a', 4))
  expect(beyond()).toEqual([])
  statuses.set('acme/young', {
    ...anAdapterStatus({ candidate: 'r', ready: ['False', 'QuotaExceeded'] }),
    sizeBytes: 7,
  })
  expect(beyond()).toEqual(['acme/young'])
  expect(beyond(aSnapshot([tenant, young]))).toEqual([])
})

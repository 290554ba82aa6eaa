import { describe, expect, test } from 'vitest'
import { anAdapter, aTenant } from '../../test/support/builders.ts'
import { byAge, createOwnership, namespacesOf } from './ownership.ts'

type Tenants = readonly ReturnType<typeof aTenant>[]

interface Row {
  readonly tenants: Tenants
  readonly object: ReturnType<typeof anAdapter>
  readonly wantOwner: string | undefined
  readonly wantRivals?: readonly string[]
}

const acme = aTenant('acme')
const object = anAdapter('tickets')

const rows: Record<string, Row> = {
  'a tenant claims the namespace of its own name': {
    tenants: [acme, aTenant('globex')],
    object: object.in('acme'),
    wantOwner: 'acme',
  },
  'naming namespaces gives up the one of its own name': {
    tenants: [acme.claiming('team-a')],
    object: object.in('acme'),
    wantOwner: undefined,
  },
  'an empty list claims nothing': {
    tenants: [acme.with({ namespaces: [] })],
    object: object.in('acme'),
    wantOwner: undefined,
  },
  'the older of two claimants owns it, the younger is a rival': {
    tenants: [
      aTenant('young').claiming('shared').createdAt(20),
      aTenant('old').claiming('shared').createdAt(10),
    ],
    object: object.in('shared'),
    wantOwner: 'old',
    wantRivals: ['young'],
  },
  'between equals in age the name decides': {
    tenants: [aTenant('b').claiming('shared'), aTenant('a').claiming('shared')],
    object: object.in('shared'),
    wantOwner: 'a',
    wantRivals: ['b'],
  },
  'a selector that does not match claims nothing': {
    tenants: [acme.claiming(['shared', { team: 'acme' }])],
    object: object.in('shared').labelled({ team: 'globex' }),
    wantOwner: undefined,
  },
  'all labels of a selector have to match': {
    tenants: [acme.claiming(['shared', { team: 'acme', tier: 'gold' }])],
    object: object.in('shared').labelled({ team: 'acme' }),
    wantOwner: undefined,
  },
  'two claims on one namespace are one claimant': {
    tenants: [acme.claiming(['shared', { team: 'a' }], ['shared', { team: 'b' }])],
    object: object.in('shared').labelled({ team: 'b' }),
    wantOwner: 'acme',
  },
}

describe('whose an object is', () => {
  test.each(Object.entries(rows))('%s', (_sentence, row) => {
    const ownerOf = createOwnership(row.tenants.map((tenant) => tenant.build()))
    const { owner, rivals } = ownerOf(row.object.build().metadata)
    expect(owner?.metadata.name).toBe(row.wantOwner)
    expect(rivals.map((tenant) => tenant.metadata.name)).toEqual(row.wantRivals ?? [])
  })

  test('does not depend on the order of the tenants', () => {
    const tenants = [3, 1, 2].map((age) => aTenant(`t${age}`).claiming('shared').createdAt(age))
    const metadata = object.in('shared').build().metadata
    for (const order of [tenants, [...tenants].reverse()]) {
      const ownership = createOwnership(order.map((tenant) => tenant.build()))(metadata)
      expect(ownership.owner?.metadata.name).toBe('t1')
      expect(ownership.rivals.map((tenant) => tenant.metadata.name)).toEqual(['t2', 't3'])
    }
  })
})

test('a tenant lists its namespaces in its own order', () => {
  expect(namespacesOf(acme.claiming('z', 'a').build())).toEqual(['z', 'a'])
  expect(namespacesOf(acme.build())).toEqual(['acme'])
})

test('age sorts first, namespace and name after it', () => {
  const objects = [
    object.in('b').createdAt(1),
    object.in('a').createdAt(1),
    object.in('c').createdAt(0),
  ]
  const sorted = objects.map((one) => one.build()).sort(byAge)
  expect(sorted.map((one) => one.metadata.namespace)).toEqual(['c', 'a', 'b'])
})

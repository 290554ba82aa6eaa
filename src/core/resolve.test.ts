import { describe, expect, test } from 'vitest'
import {
  aKey,
  anAdapter,
  anAdapterStatus,
  aPool,
  aSnapshot,
  aTenant,
  secretOf,
  sha256,
} from '../../test/support/builders.ts'
import type { LoraAdapterStatus } from '../api/condition.ts'
import {
  buildRoutingTable,
  findNameConflicts,
  mayAttach,
  type Caller,
  type RouteTarget,
} from './resolve.ts'

type Objects = Parameters<typeof aSnapshot>[0]

/** What the key `main` may call. Adapters without a status of their own are ready, with a revision named after them. */
function callerOf(
  objects: Objects,
  statuses: Readonly<Record<string, LoraAdapterStatus | undefined>> = {},
  key = 'main',
): Caller | undefined {
  const table = buildRoutingTable({
    snapshot: aSnapshot(objects),
    statusOf: (adapterKey) =>
      adapterKey in statuses
        ? statuses[adapterKey]
        : anAdapterStatus({ active: `revision of ${adapterKey}` }),
  })
  return table.callers.get(sha256(secretOf(key)))
}

function adapterBehind(caller: Caller | undefined, name: string): string | undefined {
  return caller?.targets.get(name)?.adapterKey
}

const llama = aPool('llama')
const acme = aTenant('acme')
const key = aKey('main')

interface Row {
  readonly objects: Objects
  /** Every name that works, with the adapter it stands for. `undefined`: the base. */
  readonly want: Readonly<Record<string, string | undefined>>
  /** What `/v1/models` lists; default: every name without a slash. */
  readonly wantListed?: readonly string[]
}

const resolution: Record<string, Row> = {
  'an adapter is called by its name and by namespace and name': {
    objects: [llama, acme, key, anAdapter('tickets')],
    want: { tickets: 'acme/tickets', 'acme/tickets': 'acme/tickets' },
  },
  'spec.modelName stands in for the name of the object': {
    objects: [llama, acme, key, anAdapter('tickets').called('Tickets-7B:v2')],
    want: { 'Tickets-7B:v2': 'acme/tickets', 'acme/Tickets-7B:v2': 'acme/tickets' },
  },
  'a model name may hold slashes': {
    objects: [llama, acme, key, anAdapter('tickets').called('org/tickets')],
    want: { 'org/tickets': 'acme/tickets', 'acme/org/tickets': 'acme/tickets' },
    wantListed: ['org/tickets'],
  },
  "the key's own namespace comes first": {
    objects: [
      llama,
      acme.claiming('acme', 'team-b'),
      key.in('team-b'),
      anAdapter('tickets').in('acme'),
      anAdapter('tickets').in('team-b'),
    ],
    want: {
      tickets: 'team-b/tickets',
      'acme/tickets': 'acme/tickets',
      'team-b/tickets': 'team-b/tickets',
    },
  },
  "then the tenant's namespaces in their order": {
    objects: [
      llama,
      acme.claiming('acme', 'z-team', 'a-team'),
      key,
      anAdapter('tickets').in('a-team').createdAt(1),
      anAdapter('tickets').in('z-team').createdAt(2),
    ],
    want: {
      tickets: 'z-team/tickets',
      'a-team/tickets': 'a-team/tickets',
      'z-team/tickets': 'z-team/tickets',
    },
  },
  'in one namespace the older of two equal names is called': {
    objects: [
      llama,
      acme,
      key,
      anAdapter('young').called('tickets').createdAt(20),
      anAdapter('old').called('tickets').createdAt(10),
    ],
    want: { tickets: 'acme/old', 'acme/tickets': 'acme/old' },
  },
  'equal ages are told apart by name, so that every gateway decides alike': {
    objects: [
      llama,
      acme,
      key,
      anAdapter('b').called('tickets').createdAt(10),
      anAdapter('a').called('tickets').createdAt(10),
    ],
    want: { tickets: 'acme/a', 'acme/tickets': 'acme/a' },
  },
  'an extra name of the tenant leads to the base': {
    objects: [llama, acme.withModels({ 'llama-base': 'ModelPool models/llama' }), key],
    want: { 'llama-base': undefined },
  },
  "an extra name leads to another tenant's shared adapter, under that name alone": {
    objects: [
      llama,
      acme.withModels({ shared: 'LoraAdapter globex/shout' }),
      aTenant('globex'),
      key,
      anAdapter('shout').in('globex'),
    ],
    want: { shared: 'globex/shout' },
  },
  'an extra name does not hide an adapter of the same name': {
    objects: [
      llama,
      acme.withModels({ tickets: 'ModelPool models/llama' }),
      key,
      anAdapter('tickets'),
    ],
    want: { tickets: 'acme/tickets', 'acme/tickets': 'acme/tickets' },
  },
  'a name that spells another namespace does not take the place of that adapter’s full name': {
    objects: [
      llama,
      acme.claiming('acme', 'team-b'),
      key,
      anAdapter('tickets').in('team-b'),
      anAdapter('decoy').called('team-b/tickets'),
    ],
    want: {
      tickets: 'team-b/tickets',
      'team-b/tickets': 'team-b/tickets',
      'acme/team-b/tickets': 'acme/decoy',
    },
    wantListed: ['tickets'],
  },
  'an extra name that leads nowhere is absent': {
    objects: [
      llama,
      acme.withModels({ gone: 'LoraAdapter acme/gone', lost: 'ModelPool models/lost' }),
      key,
    ],
    want: {},
  },
  'adapters of other tenants are absent': {
    objects: [llama, acme, aTenant('globex'), key, anAdapter('shout').in('globex')],
    want: {},
  },
  'adapters that nobody claims are absent': {
    objects: [llama, acme, key, anAdapter('stray').in('nowhere')],
    want: {},
  },
  'an adapter whose pool does not exist is absent': {
    objects: [acme, key, anAdapter('tickets').on('models/missing')],
    want: {},
  },
  'a selector narrows a claim to labelled adapters': {
    objects: [
      llama,
      acme.claiming(['shared', { team: 'acme' }]),
      key.in('shared').labelled({ team: 'acme' }),
      anAdapter('ours').in('shared').labelled({ team: 'acme' }),
      anAdapter('theirs').in('shared').labelled({ team: 'globex' }),
    ],
    want: { ours: 'shared/ours', 'shared/ours': 'shared/ours' },
  },
  "of two tenants that claim an adapter the older has it, and the key's namespace does not help": {
    objects: [
      llama,
      aTenant('globex').claiming('shared').createdAt(1),
      acme.claiming('shared').createdAt(2),
      key.in('shared').for('acme'),
      anAdapter('tickets').in('shared'),
    ],
    want: {},
  },
  'an allow-list of the key leaves only what it names': {
    objects: [
      llama,
      acme.withModels({ base: 'ModelPool models/llama' }),
      key.allowing('tickets', 'base', 'missing'),
      anAdapter('tickets'),
      anAdapter('secret'),
    ],
    want: { tickets: 'acme/tickets', base: undefined },
  },
  'an allow-list with a full name allows and lists that name alone': {
    objects: [llama, acme, key.allowing('acme/tickets'), anAdapter('tickets')],
    want: { 'acme/tickets': 'acme/tickets' },
    wantListed: ['acme/tickets'],
  },
}

describe('a name, for one key', () => {
  test.each(Object.entries(resolution))('%s', (_sentence, { objects, want, wantListed }) => {
    const caller = callerOf(objects)
    const have = Object.fromEntries(
      [...(caller?.targets ?? [])].map(([name, target]) => [name, target.adapterKey]),
    )
    expect(have).toEqual(want)
    expect(caller?.listed.map((target) => target.name)).toEqual(
      wantListed ?? Object.keys(want).filter((name) => !name.includes('/')),
    )
    for (const [name, target] of caller?.targets ?? []) {
      expect(target.name).toBe(name)
    }
  })
})

interface StateRow {
  readonly adapter: ReturnType<typeof anAdapter>
  readonly status: LoraAdapterStatus | undefined
  readonly want: Pick<RouteTarget, 'state' | 'revision' | 'reason'> &
    Partial<Pick<RouteTarget, 'message'>>
}

const states: Record<string, StateRow> = {
  'with an active revision it is Ready': {
    adapter: anAdapter('tickets'),
    status: anAdapterStatus({ active: 'r1' }),
    want: { state: 'Ready', revision: 'r1', reason: 'Ready' },
  },
  'without a status yet it is Loading': {
    adapter: anAdapter('tickets'),
    status: undefined,
    want: { state: 'Loading', revision: undefined, reason: 'Pending' },
  },
  'with only a candidate it is Loading': {
    adapter: anAdapter('tickets'),
    status: anAdapterStatus({ candidate: 'r2', ready: ['False', 'Loading'] }),
    want: { state: 'Loading', revision: undefined, reason: 'Loading' },
  },
  'with a failed update the active revision goes on': {
    adapter: anAdapter('tickets'),
    status: anAdapterStatus({ active: 'r1', ready: ['False', 'NotFinite', 'bad weights'] }),
    want: { state: 'Ready', revision: 'r1', reason: 'NotFinite' },
  },
  'refused and never proved it is Failed': {
    adapter: anAdapter('tickets'),
    status: anAdapterStatus({ ready: ['False', 'NotFinite', 'bad weights'] }),
    want: { state: 'Failed', revision: undefined, reason: 'NotFinite' },
  },
  'beyond the quota it is Failed': {
    adapter: anAdapter('tickets'),
    status: anAdapterStatus({ candidate: 'r1', ready: ['False', 'QuotaExceeded', '1 of 1'] }),
    want: { state: 'Failed', revision: undefined, reason: 'QuotaExceeded', message: '1 of 1' },
  },
  'on demand it says so': {
    adapter: anAdapter('tickets').withCopies(0),
    status: anAdapterStatus({ active: 'r1', ready: ['True', 'OnDemand'] }),
    want: { state: 'OnDemand', revision: 'r1', reason: 'OnDemand' },
  },
  'suspended it has no revision to call': {
    adapter: anAdapter('tickets').suspended(),
    status: anAdapterStatus({ active: 'r1', ready: ['False', 'Suspended'] }),
    want: { state: 'Suspended', revision: undefined, reason: 'Suspended' },
  },
}

describe('the state of an adapter', () => {
  test("says nothing of its owner's quota to those it is shared with", () => {
    const shared = anAdapter('shout').in('globex')
    const status = anAdapterStatus({ ready: ['False', 'QuotaExceeded', '1 of 1'] })
    const names = { loud: 'LoraAdapter globex/shout' } as const
    const objects = [llama, aTenant('globex').withModels(names), acme.withModels(names), shared]
    const messageFor = (namespace: string) =>
      callerOf([...objects, key.in(namespace)], { [shared.key]: status })?.targets.get('loud')
        ?.message
    expect(messageFor('acme')).toBe('')
    expect(messageFor('globex')).toBe('1 of 1')
  })

  test.each(Object.entries(states))('%s', (_sentence, { adapter, status, want }) => {
    const caller = callerOf([llama, acme, key, adapter], { [adapter.key]: status })
    expect(caller?.targets.get('tickets')).toMatchObject(want)
  })
})

describe('a key', () => {
  test('naming another tenant does not make it theirs', () => {
    expect(callerOf([llama, acme, aTenant('globex'), key.for('globex')])).toBeUndefined()
  })

  test("in a namespace of nobody it is nobody's", () => {
    expect(callerOf([llama, acme, key.in('nowhere')])).toBeUndefined()
  })

  test('chooses between the tenants that claim its namespace', () => {
    const objects = [
      llama,
      aTenant('globex').claiming('shared').createdAt(1),
      acme.claiming('shared').createdAt(2),
    ]
    expect(callerOf([...objects, key.in('shared')])?.tenant).toBe('globex')
    expect(callerOf([...objects, key.in('shared').for('acme')])?.tenant).toBe('acme')
  })

  test('carries what authentication has to know', () => {
    const expiring = key.revoked().expiring('2027-01-01T00:00:00Z')
    expect(callerOf([llama, acme.suspended().with({ weight: 3 }), expiring])).toMatchObject({
      keyKey: 'acme/main',
      weight: 3,
      tenant: 'acme',
      suspended: true,
      revoked: true,
      expiresAtMs: Date.UTC(2027, 0, 1),
    })
  })

  test('has the weight 1 where its tenant says nothing', () => {
    expect(callerOf([llama, acme, key])?.weight).toBe(1)
  })

  test('of the same hash as an older one is not heard', () => {
    const copy = key.with({ sha256: sha256(secretOf('main')) })
    const stolen = aKey('stolen')
      .in('globex')
      .with({ sha256: sha256(secretOf('main')) })
      .createdAt(2_000_000)
    const caller = callerOf([llama, acme, aTenant('globex'), copy, stolen])
    expect(caller?.tenant).toBe('acme')
  })
})

describe('a routing table', () => {
  test.each([
    ['somebody may call', [key]],
    ['nobody has a key for', []],
  ])('names the revisions of adapters that %s', (_whose, keys) => {
    const table = buildRoutingTable({
      snapshot: aSnapshot([llama, acme, ...keys, anAdapter('a'), anAdapter('b'), anAdapter('c')]),
      statusOf: (adapter) =>
        adapter === 'acme/c'
          ? anAdapterStatus({ candidate: 'r-c' })
          : anAdapterStatus({ active: `r-${adapter}` }),
    })
    expect([...table.revisions].sort()).toEqual(['r-acme/a', 'r-acme/b'])
  })

  test('lets two keys of one tenant in different namespaces see names differently', () => {
    const objects = [
      llama,
      acme.claiming('acme', 'team-b'),
      aKey('one').in('acme'),
      aKey('two').in('team-b'),
      anAdapter('tickets').in('acme'),
      anAdapter('tickets').in('team-b'),
    ]
    expect(adapterBehind(callerOf(objects, {}, 'one'), 'tickets')).toBe('acme/tickets')
    expect(adapterBehind(callerOf(objects, {}, 'two'), 'tickets')).toBe('team-b/tickets')
  })
})

describe('name conflicts', () => {
  test('are the younger adapter’s, within one namespace of one tenant', () => {
    const conflicts = findNameConflicts(
      aSnapshot([
        acme.claiming('acme', 'team-b'),
        anAdapter('old').called('tickets').createdAt(1),
        anAdapter('young').called('tickets').createdAt(2),
        anAdapter('tickets').in('team-b').createdAt(3),
        anAdapter('other').createdAt(4),
      ]),
    )
    expect([...conflicts]).toEqual([['acme/young', 'acme/old']])
  })

  test('do not arise between tenants that share a namespace by labels', () => {
    const conflicts = findNameConflicts(
      aSnapshot([
        acme.claiming(['shared', { team: 'acme' }]),
        aTenant('globex').claiming(['shared', { team: 'globex' }]),
        anAdapter('a').in('shared').called('tickets').labelled({ team: 'acme' }),
        anAdapter('b').in('shared').called('tickets').labelled({ team: 'globex' }),
      ]),
    )
    expect(conflicts.size).toBe(0)
  })
})

describe('a pool takes adapters', () => {
  const labelled = { acme: { tier: 'gold', zone: 'eu' }, globex: { tier: 'tin' } }
  const rows: Record<string, { from: Parameters<typeof llama.openTo>[0]; want: string[] }> = {
    'of its own namespace only, with Same': { from: 'Same', want: ['models'] },
    'of every namespace, with All': { from: 'All', want: ['models', 'acme', 'globex', 'unknown'] },
    'of namespaces that carry all the labels, with Selector': {
      from: { tier: 'gold', zone: 'eu' },
      want: ['acme'],
    },
  }
  test.each(Object.entries(rows))('%s', (_sentence, { from, want }) => {
    const snapshot = aSnapshot([], labelled)
    const pool = llama.openTo(from).build()
    const have = ['models', 'acme', 'globex', 'unknown'].filter((namespace) =>
      mayAttach(pool, namespace, snapshot),
    )
    expect(have).toEqual(want)
  })
})

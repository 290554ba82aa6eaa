import { describe, expect, test } from 'vitest'
import {
  aKey,
  anAdapter,
  anAdapterStatus,
  aPool,
  aSnapshot,
  aTenant,
} from '../../test/support/builders.ts'
import {
  groupByPool,
  planKeyStatuses,
  planPoolStatus,
  planTenantStatuses,
  type PoolSnapshot,
} from './statuses.ts'

const now = new Date('2026-11-20T12:00:00Z')

function ready(conditions: readonly { type: string; status: string; reason: string }[]): string {
  const condition = conditions.find((one) => one.type === 'Ready')
  return `${condition?.status} ${condition?.reason}`
}

const up = (name: string) => ({ name, ready: true, detail: '' })
const starting = (name: string) => ({ name, ready: false, detail: 'loading weights' })

interface PoolRow {
  readonly given: Partial<PoolSnapshot> & { readonly pool: PoolSnapshot['pool'] }
  readonly want: string
  readonly wantMessage?: string
}

const pool = aPool('llama').withReplicas(2)

const pools: Record<string, PoolRow> = {
  'with all replicas ready it is ready': {
    given: { pool: pool.build(), replicas: [up('r0'), up('r1')] },
    want: 'True Ready',
  },
  'with some it says how many, and what the others do': {
    given: { pool: pool.build(), replicas: [up('r0'), starting('r1')] },
    want: 'False SomeReplicasReady',
    wantMessage: '1 of 2 replicas are ready. loading weights',
  },
  'with none its engine is starting': {
    given: { pool: pool.build(), replicas: [starting('r0')] },
    want: 'False EngineStarting',
  },
  'without an engine it says why': {
    given: { pool: pool.build(), failure: 'no config.json' },
    want: 'False EngineNotMade',
    wantMessage: 'no config.json',
  },
  'at zero it is on demand': {
    given: { pool: aPool('llama').withReplicas(0).build() },
    want: 'True OnDemand',
  },
  'paused it serves with what runs': {
    given: { pool: pool.with({ paused: true }).build(), replicas: [up('r0')] },
    want: 'True Paused',
  },
  'paused with nothing running it does not serve': {
    given: { pool: pool.with({ paused: true }).build() },
    want: 'False Paused',
  },
  'endpoints count instead of replicas': {
    given: {
      pool: aPool('llama')
        .with({ engine: { endpoints: [{ name: 'a', url: 'http://127.0.0.1:1' }] } })
        .build(),
      replicas: [up('a')],
    },
    want: 'True Ready',
  },
}

describe('the status of a pool', () => {
  test.each(Object.entries(pools))('%s', (_sentence, { given, want, wantMessage }) => {
    const status = planPoolStatus({
      replicas: [],
      engine: undefined,
      failure: undefined,
      facts: { verdicts: [] },
      adapters: [],
      previous: undefined,
      now,
      ...given,
    })
    expect(ready(status.conditions)).toBe(want)
    if (wantMessage !== undefined) {
      expect(status.conditions[0]?.message).toBe(wantMessage)
    }
  })

  test('counts replicas and adapters and names the engine', () => {
    const status = planPoolStatus({
      pool: pool.build(),
      replicas: [up('r0'), starting('r1')],
      engine: { version: '0.32.0', simulated: true },
      failure: undefined,
      facts: { verdicts: [] },
      adapters: [
        anAdapterStatus({ active: 'a' }),
        anAdapterStatus({ ready: ['False', 'NotFinite'] }),
      ],
      previous: undefined,
      now,
    })
    expect(status).toMatchObject({
      replicas: 2,
      readyReplicas: 1,
      engine: { version: '0.32.0', simulated: true },
      adapters: { routable: 1, wanted: 2 },
    })
  })
})

describe('the status of a tenant', () => {
  const snapshot = aSnapshot([
    aTenant('old').claiming('shared').createdAt(1),
    aTenant('young').claiming('shared', 'own').createdAt(2).suspended(),
    anAdapter('a').in('shared'),
    anAdapter('b').in('own'),
    aKey('k').in('shared'),
  ])
  const statuses = planTenantStatuses(snapshot, () => undefined, now)

  test('counts what is theirs', () => {
    expect(statuses.get('old')).toMatchObject({ adapters: 1, keys: 1, namespaces: ['shared'] })
    expect(statuses.get('young')).toMatchObject({
      adapters: 1,
      keys: 0,
      namespaces: ['shared', 'own'],
    })
  })

  test('tells the younger claimant what it lost and to whom', () => {
    const conflict = statuses
      .get('young')
      ?.conditions.find((one) => one.type === 'OwnershipConflict')
    expect(conflict).toMatchObject({ status: 'True', reason: 'OlderTenantHoldsIt' })
    expect(conflict?.message).toContain('shared/a (held by old)')
    expect(statuses.get('old')?.conditions.map((one) => one.type)).toEqual(['Ready'])
  })

  describe('with a budget in money', () => {
    const free = { inputPerMillionTokens: '0', outputPerMillionTokens: '0' }
    const pools = [
      aPool('llama'),
      aPool('priced').with({ pricing: free }),
      aPool('gpus').with({ pricing: { gpuHour: '2' } }),
      aPool('unused'),
    ]
    const money = (action: 'Block' | 'Warn') => [
      { name: 'monthly', window: 'Month', amount: '5', action },
    ]
    const messageOf = (tenant: ReturnType<typeof aTenant>) =>
      planTenantStatuses(
        aSnapshot([
          ...pools,
          tenant,
          anAdapter('tickets').in('acme'),
          anAdapter('shout').in('globex').on('models/priced'),
        ]),
        () => undefined,
        now,
      )
        .get('acme')
        ?.conditions.find(({ type }) => type === 'PriceMissing')?.message
    const acme = aTenant('acme')
    const others = { shout: 'LoraAdapter globex/shout', gpus: 'ModelPool models/gpus' } as const

    test('names the pools it may call that have no prices', () => {
      expect(messageOf(acme.with({ budgets: money('Block') }).withModels(others))).toBe(
        'Budgets in money (monthly) need prices, and these pools have none: models/gpus, models/llama; calls there are refused (price_missing). Write their spec.pricing.',
      )
    })

    test('says that they do not count where the budget only warns', () => {
      expect(messageOf(acme.with({ budgets: money('Warn') }))).toContain(
        'models/llama; calls there do not count.',
      )
    })

    test.each([
      [
        'budgets in tokens need no prices',
        acme.with({ budgets: [{ name: 'a', window: 'Day', tokens: 1 }] }),
      ],
      [
        'nothing it may call lacks them',
        acme
          .with({ budgets: money('Block'), namespaces: [] })
          .withModels({ shout: 'LoraAdapter globex/shout' }),
      ],
    ])('says nothing where %s', (_why, tenant) => {
      expect(messageOf(tenant)).toBeUndefined()
    })
  })

  test('says when it is suspended', () => {
    expect(ready(statuses.get('young')?.conditions ?? [])).toBe('False Suspended')
  })

  test('drops a conflict that ended', () => {
    const later = planTenantStatuses(
      aSnapshot([aTenant('young').claiming('shared')]),
      (name) => statuses.get(name),
      now,
    )
    expect(later.get('young')?.conditions.map((one) => one.type)).toEqual(['Ready'])
  })
})

describe('the status of a key', () => {
  const rows: Record<string, [ReturnType<typeof aKey>, string, string | undefined]> = {
    'is ready in a namespace of a tenant': [aKey('k'), 'True Ready', 'acme'],
    'is revoked for good': [aKey('k').revoked(), 'False Revoked', 'acme'],
    'has expired at its time': [
      aKey('k').expiring('2026-11-20T12:00:00Z'),
      'False Expired',
      'acme',
    ],
    'has not expired before it': [
      aKey('k').expiring('2026-11-20T14:00:01+02:00'),
      'True Ready',
      'acme',
    ],
    'needs a tenant': [aKey('k').in('nowhere'), 'False NoTenant', undefined],
    'cannot choose a tenant that does not claim it': [
      aKey('k').for('globex'),
      'False NoTenant',
      undefined,
    ],
  }
  test.each(Object.entries(rows))('%s', (_sentence, [key, want, wantTenant]) => {
    const snapshot = aSnapshot([aTenant('acme'), aTenant('globex'), key])
    const status = planKeyStatuses(snapshot, () => undefined, now).get(key.key)
    expect(ready(status?.conditions ?? [])).toBe(want)
    expect(status?.tenant).toBe(wantTenant)
  })
})

test('adapters are grouped by their pool', () => {
  const snapshot = aSnapshot([
    anAdapter('a').on('models/one'),
    anAdapter('b').on('models/two'),
    anAdapter('c').on('models/one'),
    anAdapter('new').on('models/one'),
  ])
  const groups = groupByPool(snapshot, (key) =>
    key === 'acme/new' ? undefined : anAdapterStatus({ active: key }),
  )
  const sizes = Object.fromEntries([...groups].map(([key, group]) => [key, group.length]))
  expect(sizes).toEqual({ 'models/one': 2, 'models/two': 1 })
})

import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { anAdapter, aPool, sha256 } from '../../test/support/builders.ts'
import type { ResidencyState } from '../api/agent-protocol.ts'
import type { LoraAdapterStatus } from '../api/condition.ts'
import { revisionOf } from '../api/names.ts'
import { planAdapter, type AdapterPlan, type AdapterSnapshot, type Intake } from './adapter-plan.ts'

const now = new Date('2026-11-20T12:00:00Z')
const oldDigest = sha256('old content')
const newDigest = sha256('new content')
const oldRevision = revisionOf('models/llama', oldDigest)
const newRevision = revisionOf('models/llama', newDigest)

const pending: Intake = { state: 'Pending', message: 'reading' }
const fetchFailed: Intake = { state: 'FetchFailed', reason: 'NotFound', message: 'no such folder' }
const refused: Intake = {
  state: 'Refused',
  digest: newDigest,
  reason: 'NotFinite',
  message: 'a weight is not finite',
}

function accepted(digest = newDigest): Intake {
  return { state: 'Accepted', digest, sizeBytes: 1000, rank: 8, compatible: 'True', notices: [] }
}

type Residency = Readonly<Record<string, ResidencyState['state'] | ResidencyState>>

/** A replica by what it holds; what it does not name is absent. */
function replica(name: string, residency: Residency = {}, ready = true) {
  return {
    name,
    ready,
    residencyOf: (revision: string): ResidencyState => {
      const state = residency[revision] ?? 'Absent'
      return typeof state === 'string' ? ({ state } as ResidencyState) : state
    },
  }
}

const failed: ResidencyState = {
  state: 'Failed',
  reason: 'NoEffect',
  message: 'it answers as the base does',
  permanent: true,
}

/** The status that an earlier plan left: this revision answers. */
function servedBefore(digest = oldDigest, pool = 'models/llama'): LoraAdapterStatus {
  return {
    observedGeneration: 1,
    conditions: [
      {
        type: 'Ready',
        status: 'True',
        reason: 'Ready',
        message: '',
        observedGeneration: 1,
        lastTransitionTime: '2026-11-19T00:00:00.000Z',
      },
    ],
    revisions: [{ revision: revisionOf(pool, digest), digest, role: 'Active' }],
    rank: 4,
    sizeBytes: 500,
    copies: { routable: 1, wanted: 1 },
  }
}

const tickets = anAdapter('tickets')

function plan(fields: {
  readonly adapter?: typeof tickets
  readonly pool?: ReturnType<typeof aPool> | 'none'
  readonly mayAttach?: boolean
  readonly nameHolder?: string
  readonly intake?: Intake
  readonly previous?: LoraAdapterStatus
  readonly replicas?: AdapterSnapshot['replicas']
  readonly acknowledged?: boolean
}): AdapterPlan {
  const pool = fields.pool ?? aPool('llama')
  return planAdapter({
    adapter: (fields.adapter ?? tickets).build(),
    pool: pool === 'none' ? undefined : pool.build(),
    mayAttach: fields.mayAttach ?? true,
    nameHolder: fields.nameHolder,
    intake: fields.intake ?? accepted(),
    previous: fields.previous,
    replicas: fields.replicas ?? [replica('r0')],
    isAcknowledged: () => fields.acknowledged ?? true,
    now,
  })
}

function conditionOf({ status }: AdapterPlan, type: string): string | undefined {
  const condition = status.conditions.find((one) => one.type === type)
  return condition === undefined ? undefined : `${condition.status} ${condition.reason}`
}

function messageOf({ status }: AdapterPlan, type: string): string | undefined {
  return status.conditions.find((one) => one.type === type)?.message
}

const rolesOf = ({ status }: AdapterPlan): Record<string, string> =>
  Object.fromEntries(status.revisions.map(({ revision, role }) => [revision, role]))

/** Where a revision is kept loaded, and where it is only allowed. */
const wantsOf = ({ wanted }: AdapterPlan, names = ['r0']): string[] =>
  wanted.flatMap(({ revision, loadedOn }) =>
    names.map((name) => `${name} ${revision} ${loadedOn.includes(name) ? 'Loaded' : 'Allowed'}`),
  )

interface Row {
  readonly given: Parameters<typeof plan>[0]
  /** Revisions by role. */
  readonly want: Readonly<Record<string, 'Active' | 'Candidate'>>
  readonly wantReady: string
  readonly wantWanted?: readonly string[]
}

const rows: Record<string, Row> = {
  'while the source is read nothing is wanted': {
    given: { intake: pending },
    want: {},
    wantReady: 'False Fetching',
    wantWanted: [],
  },
  'a source that cannot be read is said so': {
    given: { intake: fetchFailed },
    want: {},
    wantReady: 'False NotFound',
    wantWanted: [],
  },
  'refused content never reaches a replica': {
    given: { intake: refused },
    want: {},
    wantReady: 'False NotFinite',
    wantWanted: [],
  },
  'accepted content is a candidate until a replica proved it': {
    given: { replicas: [replica('r0', { [newRevision]: 'Loaded' })] },
    want: { [newRevision]: 'Candidate' },
    wantReady: 'False Loading',
    wantWanted: [`r0 ${newRevision} Loaded`],
  },
  'a proved candidate becomes active': {
    given: { replicas: [replica('r0', { [newRevision]: 'Routable' })] },
    want: { [newRevision]: 'Active' },
    wantReady: 'True Ready',
    wantWanted: [`r0 ${newRevision} Loaded`],
  },
  'ready waits for every gateway': {
    given: { replicas: [replica('r0', { [newRevision]: 'Routable' })], acknowledged: false },
    want: { [newRevision]: 'Active' },
    wantReady: 'False WaitingForGateways',
  },
  'the old revision answers until the candidate is proved, and both are wanted': {
    given: {
      previous: servedBefore(),
      replicas: [replica('r0', { [oldRevision]: 'Routable', [newRevision]: 'Loading' })],
    },
    want: { [oldRevision]: 'Active', [newRevision]: 'Candidate' },
    wantReady: 'False Loading',
    wantWanted: [`r0 ${oldRevision} Loaded`, `r0 ${newRevision} Loaded`],
  },
  'once the candidate is proved the old revision is no longer wanted': {
    given: {
      previous: servedBefore(),
      replicas: [replica('r0', { [oldRevision]: 'Routable', [newRevision]: 'Routable' })],
    },
    want: { [newRevision]: 'Active' },
    wantReady: 'True Ready',
    wantWanted: [`r0 ${newRevision} Loaded`],
  },
  'a candidate that fails its canary leaves the old one answering': {
    given: {
      previous: servedBefore(),
      replicas: [replica('r0', { [oldRevision]: 'Routable', [newRevision]: failed })],
    },
    want: { [oldRevision]: 'Active', [newRevision]: 'Candidate' },
    wantReady: 'False NoEffect',
  },
  'refused new content leaves the old one answering': {
    given: {
      intake: refused,
      previous: servedBefore(),
      replicas: [replica('r0', { [oldRevision]: 'Routable' })],
    },
    want: { [oldRevision]: 'Active' },
    wantReady: 'False NotFinite',
    wantWanted: [`r0 ${oldRevision} Loaded`],
  },
  'a source that went away leaves the old one answering': {
    given: {
      intake: fetchFailed,
      previous: servedBefore(),
      replicas: [replica('r0', { [oldRevision]: 'Routable' })],
    },
    want: { [oldRevision]: 'Active' },
    wantReady: 'False NotFound',
  },
  'after an engine restart the active revision stays, and is not ready until proved again': {
    given: { intake: accepted(oldDigest), previous: servedBefore(), replicas: [replica('r0')] },
    want: { [oldRevision]: 'Active' },
    wantReady: 'False Loading',
    wantWanted: [`r0 ${oldRevision} Loaded`],
  },
  'two copies wanted: one proof is not enough while two replicas are ready': {
    given: {
      adapter: tickets.withCopies(2),
      previous: servedBefore(),
      replicas: [
        replica('r0', { [oldRevision]: 'Routable', [newRevision]: 'Routable' }),
        replica('r1', { [oldRevision]: 'Routable' }),
      ],
    },
    want: { [oldRevision]: 'Active', [newRevision]: 'Candidate' },
    wantReady: 'False Loading',
  },
  'two copies wanted: one proof is enough where only one replica is ready': {
    given: {
      adapter: tickets.withCopies(2),
      previous: servedBefore(),
      replicas: [
        replica('r0', { [oldRevision]: 'Routable', [newRevision]: 'Routable' }),
        replica('r1', {}, false),
      ],
    },
    want: { [newRevision]: 'Active' },
    wantReady: 'False Loading',
  },
  'content of another pool is not carried over to this one’s base': {
    given: {
      intake: pending,
      previous: servedBefore(oldDigest, 'models/another'),
      replicas: [replica('r0')],
    },
    want: {},
    wantReady: 'False Fetching',
    wantWanted: [],
  },
  'suspended, nothing is wanted anywhere': {
    given: {
      adapter: tickets.suspended(),
      intake: accepted(oldDigest),
      previous: servedBefore(),
      replicas: [replica('r0', { [oldRevision]: 'Routable' })],
    },
    want: { [oldRevision]: 'Active' },
    wantReady: 'False Suspended',
    wantWanted: [],
  },
  'on demand: accepted is enough, and replicas are allowed to load it': {
    given: { adapter: tickets.withCopies(0) },
    want: { [newRevision]: 'Active' },
    wantReady: 'True OnDemand',
    wantWanted: [`r0 ${newRevision} Allowed`],
  },
  'on demand: a new revision is proved on one replica before it takes over': {
    given: {
      adapter: tickets.withCopies(0),
      previous: servedBefore(),
      replicas: [replica('r0', { [oldRevision]: 'Routable' })],
    },
    want: { [oldRevision]: 'Active', [newRevision]: 'Candidate' },
    wantReady: 'False Loading',
    wantWanted: [`r0 ${oldRevision} Allowed`, `r0 ${newRevision} Loaded`],
  },
  'on demand: a new revision that fails its canary leaves the old one answering': {
    given: {
      adapter: tickets.withCopies(0),
      previous: servedBefore(),
      replicas: [replica('r0', { [newRevision]: failed })],
    },
    want: { [oldRevision]: 'Active', [newRevision]: 'Candidate' },
    wantReady: 'False NoEffect',
  },
  'a pool at zero serves nothing but is no obstacle': {
    given: { pool: aPool('llama').withReplicas(0), replicas: [] },
    want: { [newRevision]: 'Active' },
    wantReady: 'True OnDemand',
    wantWanted: [],
  },
  'no engine has been made yet: the candidate waits': {
    given: { replicas: [] },
    want: { [newRevision]: 'Candidate' },
    wantReady: 'False Loading',
    wantWanted: [],
  },
  'without its pool nothing of it is served': {
    given: { pool: 'none', previous: servedBefore() },
    want: {},
    wantReady: 'False PoolNotFound',
    wantWanted: [],
  },
  'a pool that does not take its namespace serves nothing of it': {
    given: { mayAttach: false, previous: servedBefore() },
    want: {},
    wantReady: 'False NotAllowedByPool',
    wantWanted: [],
  },
  'a name that is taken serves nothing of it': {
    given: { nameHolder: 'acme/older', previous: servedBefore() },
    want: {},
    wantReady: 'False NameConflict',
    wantWanted: [],
  },
}

describe('the plan of an adapter', () => {
  test.each(Object.entries(rows))('%s', (_sentence, { given, want, wantReady, wantWanted }) => {
    const result = plan(given)
    expect(rolesOf(result)).toEqual(want)
    expect(conditionOf(result, 'Ready')).toBe(wantReady)
    if (wantWanted !== undefined) {
      const names = given.replicas?.map(({ name }) => name)
      expect(wantsOf(result, names)).toEqual(wantWanted)
    }
  })

  test('says in Ready that the old revision still answers', () => {
    for (const intake of [refused, fetchFailed]) {
      const result = plan({ intake, previous: servedBefore() })
      expect(messageOf(result, 'Ready')).toContain(
        `Revision ${oldRevision.slice(0, 12)} still answers.`,
      )
    }
    expect(messageOf(plan({ intake: refused }), 'Ready')).not.toContain('still answers')
  })

  test('wants as many loaded copies as maxCopies, the rest allowed', () => {
    const replicas = ['r0', 'r1', 'r2', 'r3'].map((name) => replica(name))
    const { wanted } = plan({ adapter: tickets.withCopies(1, 2), replicas })
    expect(wanted.map(({ loadedOn }) => loadedOn.length)).toEqual([2])
  })

  test('keeps lastTransitionTime until the status itself changes', () => {
    const before = servedBefore()
    const same = plan({
      intake: accepted(oldDigest),
      previous: before,
      replicas: [replica('r0', { [oldRevision]: 'Routable' })],
    })
    const lost = plan({ intake: accepted(oldDigest), previous: before })
    const timeOf = ({ status }: AdapterPlan) =>
      status.conditions.find((one) => one.type === 'Ready')?.lastTransitionTime
    expect(timeOf(same)).toBe('2026-11-19T00:00:00.000Z')
    expect(timeOf(lost)).toBe(now.toISOString())
  })

  test('shows rank, size and copies of what answers', () => {
    const { status } = plan({ replicas: [replica('r0', { [newRevision]: 'Routable' })] })
    expect(status).toMatchObject({
      rank: 8,
      sizeBytes: 1000,
      copies: { routable: 1, wanted: 1 },
      observedGeneration: 1,
    })
    expect(plan({ intake: pending, previous: servedBefore() }).status).toMatchObject({
      rank: 4,
      sizeBytes: 500,
    })
  })

  test('leaves Compatible open where the architecture is not known', () => {
    const result = plan({ intake: { ...(accepted() as object), compatible: 'Unknown' } as Intake })
    expect(conditionOf(result, 'Compatible')).toBe('Unknown UnknownArchitecture')
  })
})

const residencies: readonly (ResidencyState['state'] | ResidencyState)[] = [
  ...(['Absent', 'OnDisk', 'Loading', 'Loaded', 'Routable', 'Retired'] as const),
  failed,
]

test('no sequence of events gives callers a later revision that was never proved', () => {
  const step = fc.record({
    intake: fc.constantFrom<Intake>(
      pending,
      fetchFailed,
      refused,
      accepted(oldDigest),
      accepted(newDigest),
    ),
    replicas: fc.array(
      fc.record({
        old: fc.constantFrom(...residencies),
        new: fc.constantFrom(...residencies),
        ready: fc.boolean(),
      }),
      { minLength: 1, maxLength: 3 },
    ),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), fc.nat({ max: 2 }), (steps, minCopies) => {
      let previous: LoraAdapterStatus | undefined
      for (const { intake, replicas } of steps) {
        const known = replicas.map((one, index) =>
          replica(`r${index}`, { [oldRevision]: one.old, [newRevision]: one.new }, one.ready),
        )
        const before = previous?.revisions.find((one) => one.role === 'Active')
        const { status, wanted } = plan({
          adapter: tickets.withCopies(minCopies),
          intake,
          replicas: known,
          ...(previous === undefined ? {} : { previous }),
        })
        const active = status.revisions.find((one) => one.role === 'Active')
        const isProved = known.some(
          (one) => one.residencyOf(active?.revision ?? '').state === 'Routable',
        )
        const isFirstOnDemand = minCopies === 0 && before === undefined
        // Nobody who was served is left without a revision, and a change is proved (I2).
        expect(before === undefined || active !== undefined).toBe(true)
        expect(active?.revision === before?.revision || isProved || isFirstOnDemand).toBe(true)
        expect(
          wanted.every((one) => status.revisions.some((r) => r.revision === one.revision)),
        ).toBe(true)
        previous = status
      }
    }),
  )
})

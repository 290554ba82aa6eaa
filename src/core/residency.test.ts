import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  isWanted,
  planResidency,
  type AdapterView,
  type ResidencyAction,
  type ResidencySnapshot,
} from './residency.ts'

const nowMs = 1_000_000

function anAdapter(revision: string, fields: Partial<AdapterView> = {}): AdapterView {
  return {
    revision,
    want: 'Loaded',
    leased: false,
    registration: 'None',
    proved: false,
    held: false,
    failure: undefined,
    lastUsedMs: 0,
    touchedMs: 0,
    retiredAtMs: 0,
    ...fields,
  }
}

const loaded = { registration: 'Ours' } as const
const routable = { registration: 'Ours', proved: true } as const
const cached = { want: 'Allowed', ...routable } as const
const retired = { want: undefined, registration: 'Ours', retiredAtMs: nowMs } as const

function aReplica(
  adapters: readonly AdapterView[],
  fields: Partial<ResidencySnapshot> & { capacity?: number; ghosts?: readonly number[] } = {},
): ResidencySnapshot {
  const { capacity = 4, ghosts = [], ...rest } = fields
  return {
    nowMs,
    engineReady: true,
    draining: false,
    baseChanged: false,
    sentinelDue: false,
    canRestart: false,
    retiredIdleMs: 600_000,
    hostCache: { capacity, foreign: 0, ghostsTouchedMs: ghosts },
    adapters,
    ...rest,
  }
}

interface Row {
  readonly replica: ResidencySnapshot
  readonly want: ResidencyAction
  readonly wantNoRoom?: readonly string[]
}

const idle: ResidencyAction = { do: 'Wait', untilMs: undefined }

const rows: Record<string, Row> = {
  'does nothing without an engine': {
    replica: aReplica([anAdapter('a')], { engineReady: false }),
    want: idle,
  },
  'begins nothing on an engine that may be told to end': {
    replica: aReplica([anAdapter('a'), anAdapter('b', loaded)], { draining: true }),
    want: idle,
  },
  'waits for time to pass there, also where a retry is due': {
    replica: aReplica([anAdapter('a', { failure: { permanent: false, retryAtMs: nowMs - 5 } })], {
      draining: true,
    }),
    want: idle,
  },
  'asks the base there: streams go on, and may be poisoned': {
    replica: aReplica([anAdapter('a')], { draining: true, sentinelDue: true }),
    want: { do: 'AskBase' },
  },
  'does nothing when all that is wanted is routable': {
    replica: aReplica([anAdapter('a', routable), anAdapter('b', { want: 'Allowed' })]),
    want: idle,
  },
  'loads what is wanted': {
    replica: aReplica([anAdapter('a')]),
    want: { do: 'Load', revision: 'a' },
  },
  'loads what is merely allowed once traffic asks for it': {
    replica: aReplica([anAdapter('a', { want: 'Allowed', leased: true })]),
    want: { do: 'Load', revision: 'a' },
  },
  'loads nothing that left the catalogue, whoever asks': {
    replica: aReplica([anAdapter('a', { want: undefined, leased: true })]),
    want: idle,
  },
  'proves what the engine has already, without another load': {
    replica: aReplica([anAdapter('a', loaded)]),
    want: { do: 'Canary', revision: 'a' },
  },
  'takes the most recently used first': {
    replica: aReplica([
      anAdapter('a', { lastUsedMs: 1 }),
      anAdapter('b', { lastUsedMs: 3 }),
      anAdapter('c', { lastUsedMs: 2, ...loaded }),
    ]),
    want: { do: 'Load', revision: 'b' },
  },
  'unloads a name of ours that stands for another path': {
    replica: aReplica([anAdapter('a', { registration: 'Foreign' })]),
    want: { do: 'Unload', revision: 'a', because: 'Foreign' },
  },
  'waits for a failed one until its retry is due': {
    replica: aReplica([anAdapter('a', { failure: { permanent: false, retryAtMs: nowMs + 5 } })]),
    want: { do: 'Wait', untilMs: nowMs + 5 },
  },
  'tries a failed one again when its retry is due': {
    replica: aReplica([anAdapter('a', { failure: { permanent: false, retryAtMs: nowMs } })]),
    want: { do: 'Load', revision: 'a' },
  },
  'lets a failed one not hold up the others': {
    replica: aReplica([
      anAdapter('a', { lastUsedMs: 9, failure: { permanent: false, retryAtMs: nowMs + 5 } }),
      anAdapter('b'),
    ]),
    want: { do: 'Load', revision: 'b' },
  },
  'never touches what is refused for good, and takes its name from the engine': {
    replica: aReplica([anAdapter('a', { ...loaded, failure: { permanent: true, retryAtMs: 0 } })]),
    want: { do: 'Unload', revision: 'a', because: 'Failed' },
  },
  'never loads again what is refused for good': {
    replica: aReplica([anAdapter('a', { failure: { permanent: true, retryAtMs: 0 } })]),
    want: idle,
  },
  'asks the base before anything else when in doubt': {
    replica: aReplica([anAdapter('a')], { sentinelDue: true }),
    want: { do: 'AskBase' },
  },
  'restarts an engine whose base changed': {
    replica: aReplica([anAdapter('a')], { baseChanged: true, sentinelDue: true }),
    want: { do: 'RestartEngine', because: 'BaseChanged' },
  },
  'keeps a retired one while there is room': {
    replica: aReplica([anAdapter('a', retired)]),
    want: { do: 'Wait', untilMs: nowMs + 600_000 },
  },
  'unloads a retired one after ten idle minutes': {
    replica: aReplica([anAdapter('a', { ...retired, retiredAtMs: nowMs - 600_000 })]),
    want: { do: 'Unload', revision: 'a', because: 'Idle' },
  },
  'unloads nothing of which something may be in flight': {
    replica: aReplica([anAdapter('a', { ...retired, retiredAtMs: 0, held: true })]),
    want: idle,
  },
  'unloads a retired one for room': {
    replica: aReplica([anAdapter('a', retired), anAdapter('b')], { capacity: 1 }),
    want: { do: 'Unload', revision: 'a', because: 'Room' },
  },
  'ends routing before it evicts one that nobody wants': {
    replica: aReplica([anAdapter('a', cached), anAdapter('b')], { capacity: 1 }),
    want: { do: 'Retire', revision: 'a' },
  },
  'evicts the least recently used': {
    replica: aReplica(
      [
        anAdapter('a', { ...cached, touchedMs: 2 }),
        anAdapter('b', { ...cached, touchedMs: 1 }),
        anAdapter('c'),
      ],
      { capacity: 2 },
    ),
    want: { do: 'Retire', revision: 'b' },
  },
  'evicts nothing that traffic leased': {
    replica: aReplica([anAdapter('a', { ...cached, leased: true }), anAdapter('b')], {
      capacity: 1,
    }),
    want: idle,
    wantNoRoom: ['b'],
  },
  'waits for one that drains rather than evicting another': {
    replica: aReplica(
      [
        anAdapter('a', { ...cached, held: true }),
        anAdapter('b', { ...retired, held: true }),
        anAdapter('c'),
      ],
      { capacity: 2 },
    ),
    want: idle,
  },
  'says so when everything in the host cache is wanted': {
    replica: aReplica([anAdapter('a', routable), anAdapter('b'), anAdapter('c')], { capacity: 1 }),
    want: idle,
    wantNoRoom: ['b', 'c'],
  },
  'still proves what is loaded when there is no room for more': {
    replica: aReplica([anAdapter('a', { lastUsedMs: 1 }), anAdapter('b', loaded)], { capacity: 1 }),
    want: { do: 'Canary', revision: 'b' },
    wantNoRoom: ['a'],
  },
  'counts names that somebody else registered': {
    replica: aReplica([anAdapter('a')], {
      hostCache: { capacity: 1, foreign: 1, ghostsTouchedMs: [] },
    }),
    want: idle,
    wantNoRoom: ['a'],
  },
  'lets the engine push out a ghost that is its oldest': {
    replica: aReplica([anAdapter('a', { ...routable, touchedMs: 5 }), anAdapter('b')], {
      capacity: 2,
      ghosts: [4],
    }),
    want: { do: 'Load', revision: 'b' },
  },
  'touches what is older than the ghost, which would go first': {
    replica: aReplica([anAdapter('a', { ...routable, touchedMs: 3 }), anAdapter('b')], {
      capacity: 2,
      ghosts: [4],
    }),
    want: { do: 'Touch', revision: 'a' },
  },
  'leaves ghosts alone where there is no other replica': {
    replica: aReplica([], { capacity: 4, ghosts: [1, 2] }),
    want: idle,
  },
  'restarts for ghosts above a quarter of the host cache where another replica serves': {
    replica: aReplica([], { capacity: 4, ghosts: [1, 2], canRestart: true }),
    want: { do: 'RestartEngine', because: 'Ghosts' },
  },
}

describe('the residency plan', () => {
  test.each(Object.entries(rows))('%s', (_sentence, row) => {
    const plan = planResidency(row.replica)
    expect(plan.action).toEqual(row.want)
    expect(plan.noRoom).toEqual(row.wantNoRoom ?? [])
  })
})

/** Does to a replica what the plan says, as vLLM would, its LRU included. */
class ModelReplica {
  adapters: AdapterView[]
  readonly lru: { revision: string; ghost: boolean }[] = []
  readonly #capacity: number
  #nowMs = nowMs

  constructor(adapters: readonly AdapterView[], capacity: number) {
    this.adapters = [...adapters]
    this.#capacity = capacity
    const byAge = adapters.filter((adapter) => adapter.registration !== 'None')
    for (const adapter of byAge.toSorted((left, right) => left.touchedMs - right.touchedMs)) {
      this.lru.push({ revision: adapter.revision, ghost: false })
    }
  }

  get snapshot(): ResidencySnapshot {
    const ghosts = this.lru.flatMap((entry, index) => (entry.ghost ? [index] : []))
    const touched = new Map(
      this.lru.map((entry, index) => [entry.ghost ? '' : entry.revision, index]),
    )
    return aReplica(
      this.adapters.map((adapter) => ({
        ...adapter,
        touchedMs: touched.get(adapter.revision) ?? 0,
      })),
      { capacity: this.#capacity, ghosts, nowMs: (this.#nowMs += 1) },
    )
  }

  apply(action: ResidencyAction): boolean {
    switch (action.do) {
      case 'Load':
        this.#set(action.revision, { registration: 'Ours' })
        this.lru.push({ revision: action.revision, ghost: false })
        this.#evict()
        return true
      case 'Canary':
        this.#touch(action.revision)
        return this.#set(action.revision, { proved: true })
      case 'Touch':
        return this.#touch(action.revision)
      case 'Retire':
        return this.#set(action.revision, { proved: false })
      case 'Unload':
        this.lru.find((entry) => entry.revision === action.revision && !entry.ghost)!.ghost = true
        return this.#set(action.revision, { registration: 'None', proved: false })
      case 'AskBase':
      case 'RestartEngine':
      case 'Wait':
        return false
      default:
        return action satisfies never
    }
  }

  #evict() {
    const gone = this.lru.length > this.#capacity ? this.lru.shift() : undefined
    expect(gone === undefined || gone.ghost, 'the engine pushed out a registered adapter').toBe(
      true,
    )
  }

  #touch(revision: string): boolean {
    const index = this.lru.findIndex((entry) => entry.revision === revision && !entry.ghost)
    this.lru.push(...this.lru.splice(index, 1))
    return true
  }

  #set(revision: string, fields: Partial<AdapterView>): boolean {
    this.adapters = this.adapters.map((adapter) =>
      adapter.revision === revision ? { ...adapter, ...fields } : adapter,
    )
    return true
  }
}

describe('for any replica', { timeout: 30_000 }, () => {
  const aWant = fc.constantFrom('Loaded', 'OnDisk', 'Allowed', undefined)
  const anyAdapters = fc
    .array(
      fc.record({
        want: aWant,
        leased: fc.boolean(),
        state: fc.constantFrom({}, loaded, routable, { registration: 'Foreign' as const }),
        lastUsedMs: fc.nat({ max: 100 }),
      }),
      { maxLength: 8 },
    )
    .map((all) =>
      all.map(({ want, leased, state, lastUsedMs }, index) =>
        anAdapter(`r${index}`, { want, leased, lastUsedMs, touchedMs: index, ...state }),
      ),
    )

  test('the plan comes to rest with everything wanted routable or out of room, and no registered one pushed out', () => {
    fc.assert(
      fc.property(
        anyAdapters,
        fc.integer({ min: 1, max: 8 }),
        fc.array(fc.array(aWant, { minLength: 8, maxLength: 8 }), { maxLength: 6 }),
        (adapters, capacity, changes) => {
          const registered = adapters.filter((adapter) => adapter.registration !== 'None').length
          const replica = new ModelReplica(adapters, Math.max(capacity, registered))
          for (const wants of [undefined, ...changes]) {
            if (wants !== undefined) {
              replica.adapters = replica.adapters.map((adapter, index) => {
                const want = wants[index]
                return { ...adapter, want, proved: want !== undefined && adapter.proved }
              })
            }
            let steps = 0
            let plan = planResidency(replica.snapshot)
            while (replica.apply(plan.action)) {
              plan = planResidency(replica.snapshot)
              steps += 1
              expect(steps, 'the plan never rests').toBeLessThan(100)
            }
            for (const adapter of replica.adapters.filter(isWanted)) {
              expect(adapter.proved || plan.noRoom.includes(adapter.revision)).toBe(true)
            }
          }
        },
      ),
      { numRuns: 1000 },
    )
  })

  test('a canary is only asked of a name that is ours and wanted', () => {
    fc.assert(
      fc.property(anyAdapters, (adapters) => {
        const { action } = planResidency(aReplica(adapters))
        if (action.do === 'Canary') {
          const subject = adapters.find((adapter) => adapter.revision === action.revision)
          expect(subject).toMatchObject({ registration: 'Ours' })
          expect(subject !== undefined && isWanted(subject)).toBe(true)
        }
      }),
    )
  })
})

import fc from 'fast-check'
import process from 'node:process'
import type { Hold, Ledger, Line, Renewal, Settlement } from '../../src/ledger/types.ts'
import { LedgerModel } from './ledger-model.ts'
import { released } from '../../src/ledger/released.ts'

export type Step =
  | {
      readonly do: 'try'
      readonly client: number
      readonly lines: readonly LineDraw[]
      readonly expiresInMs: number
    }
  | {
      readonly do: 'renew'
      readonly client: number
      readonly which: number
      readonly renewal: Renewal
    }
  | {
      readonly do: 'settle'
      readonly client: number
      readonly which: number
      readonly settlement: Settlement
    }
  | { readonly do: 'release'; readonly client: number; readonly which: number }
  | { readonly do: 'lapsed'; readonly client: number; readonly ageMs: number }
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'read'; readonly client: number }

interface LineDraw {
  readonly counter: number
  readonly amount: number
  readonly cap: number | undefined
}

/** Two leases, and windows that end soon, later and not in this history. */
const counters = [
  { name: 'requests', kind: 'Lease', endsAtMs: 0 },
  { name: 'requests-of-key', kind: 'Lease', endsAtMs: 0 },
  { name: 'tokens|minute', kind: 'Flow', endsAtMs: 60_000 },
  { name: 'tokens|hour', kind: 'Flow', endsAtMs: 3_600_000 },
  { name: 'money|month', kind: 'Flow', endsAtMs: 2_592_000_000 },
] as const

const used = fc.array(fc.nat({ max: 12 }), { maxLength: 4 })
const client = fc.nat({ max: 2 })
const which = fc.nat({ max: 9 })
const expiresInMs = fc.integer({ min: 1, max: 20_000 })

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('try' as const),
      client,
      expiresInMs,
      lines: fc.uniqueArray(
        fc.record({
          counter: fc.nat({ max: counters.length - 1 }),
          amount: fc.nat({ max: 10 }),
          cap: fc.option(fc.nat({ max: 30 }), { nil: undefined }),
        }),
        { maxLength: 4, selector: ({ counter }) => counter },
      ),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('renew' as const),
      client,
      which,
      renewal: fc.record(
        { expiresInMs, used, note: fc.constantFrom('', 'a bill', '{"tokens":1}') },
        { requiredKeys: ['expiresInMs', 'used'] },
      ),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('settle' as const),
      client,
      which,
      settlement: fc.record({
        used,
        exactness: fc.constantFrom('Exact', 'LowerBound', 'Unknown'),
      }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('release' as const), client, which }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('pass' as const),
      ms: fc.oneof(
        fc.nat({ max: 100 }),
        fc.nat({ max: 25_000 }),
        fc.constantFrom(60_000, 3_600_000),
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('read' as const), client }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('lapsed' as const),
      client,
      ageMs: fc.oneof(fc.constant(0), fc.nat({ max: 60_000 })),
    }),
  },
)

export const histories = fc.array(step, { minLength: 1, maxLength: 24 })

/** How many a test runs: `usual`, or what LORAPLEX_TEST_HISTORIES asks for. */
export function historyCount(usual: number): number {
  return Number(process.env['LORAPLEX_TEST_HISTORIES'] ?? usual)
}

/** After this long, nothing of an earlier history in the same store is remembered. */
export const betweenHistoriesMs = 7_200_000

/** A store with a clock of its own, and its clients. Names of one history are told apart by `prefix`. */
export interface HistoryStore {
  readonly clients: readonly Ledger[]
  readonly setNow: (nowMs: number) => void
  readonly prefix: string
  readonly startMs: number
}

/** Runs a history on a store and on the model. Answers what they disagree about, in words; undefined if nothing. */
export async function disagreement(
  history: readonly Step[],
  store: HistoryStore,
): Promise<string | undefined> {
  const model = new LedgerModel()
  const ids: string[] = []
  let nowMs = store.startMs
  store.setNow(nowMs)
  model.advance(nowMs)
  for (const [index, one] of history.entries()) {
    if (one.do === 'pass') {
      nowMs += one.ms
      store.setNow(nowMs)
      model.advance(nowMs)
      continue
    }
    const ledger = store.clients[one.client % store.clients.length]!
    const [want, got] = await answersOf(one, model, ledger, ids, store, nowMs)
    if (JSON.stringify(want) !== JSON.stringify(got)) {
      return `step ${index} ${JSON.stringify(one)}: want ${JSON.stringify(want)}, got ${JSON.stringify(got)}`
    }
  }
  return undefined
}

async function answersOf(
  one: Exclude<Step, { do: 'pass' }>,
  model: LedgerModel,
  ledger: Ledger,
  ids: string[],
  store: HistoryStore,
  nowMs: number,
): Promise<readonly [unknown, unknown]> {
  const idOf = (at: number): string => ids[at % Math.max(1, ids.length)] ?? `${store.prefix}nobody`
  switch (one.do) {
    case 'try': {
      const hold = holdOf(one, `${store.prefix}${ids.length}`, store, nowMs)
      ids.push(hold.id)
      const got = await ledger.try(hold)
      const short = got.outcome === 'Refused' ? got.short.map(({ line }) => line.key) : []
      return [model.try(hold), { outcome: got.outcome, counters: got.counters, short }]
    }
    case 'renew':
      return [
        model.renew(idOf(one.which), one.renewal),
        await ledger.renew(idOf(one.which), one.renewal),
      ]
    case 'settle':
      return [
        model.settle(idOf(one.which), one.settlement),
        await ledger.settle(idOf(one.which), one.settlement),
      ]
    case 'release':
      return [
        model.settle(idOf(one.which), { used: [], exactness: 'LowerBound' }),
        await ledger.settle(idOf(one.which), released),
      ]
    case 'lapsed':
      return [model.lapsed(one.ageMs), await ledger.lapsed(one.ageMs)]
    case 'read': {
      const keys = counters.map(({ name }) => store.prefix + name)
      return [model.read(keys), await ledger.read(keys)]
    }
    default:
      return one satisfies never
  }
}

/** Windows that are over by then are those after: a gateway asks for the present ones. */
function holdOf(
  { lines, expiresInMs: lasts }: Extract<Step, { do: 'try' }>,
  id: string,
  store: HistoryStore,
  nowMs: number,
): Hold {
  return {
    id,
    expiresInMs: lasts,
    ...(lines.length % 2 === 0 ? {} : { note: `of ${id}` }),
    lines: lines.map(({ counter, amount, cap }): Line => {
      const { name, kind, endsAtMs } = counters[counter]!
      const isOver = kind === 'Flow' && store.startMs + endsAtMs <= nowMs
      return {
        key: `${store.prefix}${name}${isOver ? '|next' : ''}`,
        kind,
        class: 'Rate',
        amount,
        ...(cap === undefined ? {} : { cap }),
        endsAtMs: kind === 'Lease' ? 0 : isOver ? nowMs + 10_000_000_000 : store.startMs + endsAtMs,
      }
    }),
  }
}

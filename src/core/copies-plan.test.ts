import { expect, test } from 'vitest'
import { copiesDefaults, planCopies, type CopiesOptions, type CopiesPlan } from './copies-plan.ts'

const replicas = 4

interface Given {
  readonly rates: readonly number[]
  /** Adapter to the replicas that have it. */
  readonly kept?: CopiesPlan
  readonly room?: number
  readonly more?: Partial<CopiesOptions>
}

function planned({ rates, kept = new Map(), room = 100, more }: Given): CopiesPlan {
  const isKept = (adapter: number, replica: number) => kept.get(adapter)?.includes(replica) === true
  const all = Array.from({ length: replicas }, (_, replica) => replica)
  return planCopies(
    rates.map((rate, adapter) => ({ adapter, rate, most: replicas })),
    {
      replicas,
      // Those that have it first, then in an order of its own.
      ranked: (adapter) => [
        ...(kept.get(adapter) ?? []),
        ...all.map((at) => (at + adapter) % replicas).filter((at) => !isKept(adapter, at)),
      ],
      isKept,
      room: () => room,
      requestWork: 1,
      adapterWork: () => 0,
      ...copiesDefaults,
      ...more,
    },
  )
}

function loadsOf(plan: CopiesPlan, rates: readonly number[]): readonly number[] {
  const loads = Array.from({ length: replicas }, () => 0)
  for (const [adapter, hosts] of plan) {
    hosts.forEach((host) => (loads[host]! += rates[adapter]! / hosts.length))
  }
  return loads
}

const even = (count: number): readonly number[] => Array.from({ length: count }, () => 1)
/** One copy each: so many at each replica. */
function keptBy(counts: readonly number[]): CopiesPlan {
  const hosts = counts.flatMap((count, replica) => even(count).map(() => replica))
  return new Map(hosts.map((host, adapter) => [adapter, [host]]))
}

test('what is there stays where it is while one has a third more than the mean', () => {
  const kept = keptBy([26, 18, 18, 18])
  expect(planned({ rates: even(80), kept })).toEqual(kept)
})

test('where one has half as much again, all are made as even as from scratch, with as few moves', () => {
  const [rates, kept] = [even(80), keptBy([32, 16, 16, 16])]
  const plan = planned({ rates, kept })
  const moved = rates.filter((_, adapter) => plan.get(adapter)?.[0] !== kept.get(adapter)?.[0])
  expect(Math.max(...loadsOf(plan, rates))).toBeLessThanOrEqual(20 * 1.1)
  expect(moved).toHaveLength(10)
  expect(planned({ rates, kept: plan })).toEqual(plan)
})

test('but not for little work, and not where it would not help', () => {
  const kept = keptBy([32, 16, 16, 16])
  expect(planned({ rates: even(80), kept, more: { leastUneven: 13 } })).toEqual(kept)
  // The first is 30 wherever it is: without the two beside it its replica has hardly less.
  const rates = [30, ...even(50)]
  const heavy = keptBy([3, 16, 16, 16])
  expect(planned({ rates, kept: heavy, more: { copyShare: 2, leastCopyShare: 2 } })).toEqual(heavy)
})

test('with room for more, the busiest have more copies; without, as few as their load allows', () => {
  const rates = [20, 10, ...even(50)]
  const copies = (room: number) =>
    [...planned({ rates, room }).values()].map(({ length }) => length).slice(0, 3)
  expect(copies(100)).toEqual([4, 4, 1])
  expect(copies(14)).toEqual([2, 1, 1])
})

test('chance brings no further copy, and takes none away', () => {
  const rest = even(50)
  // A copy for each ten.
  const given = { room: 14, more: { leastCopyShare: 0.5 } }
  const copies = (rate: number, kept: readonly number[]) =>
    planned({ ...given, rates: [rate, ...rest], kept: new Map([[0, kept]]) }).get(0)?.length
  expect([copies(7.5, [1]), copies(9, [1]), copies(9, [1, 2]), copies(6, [1, 2])]).toEqual([
    1, 1, 2, 1,
  ])
})

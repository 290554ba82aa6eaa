import { expect, test } from 'vitest'
import { tiny } from '../profile.ts'
import type { LabRequest } from './lab-request.ts'
import { sendTo } from './policies/choose.ts'
import { leastRequests } from './policies/simple.ts'
import type { RoutePolicy } from './policy.ts'
import { FairShareOrder } from './queues/fair-share-order.ts'
import { FirstCome } from './queues/first-come.ts'
import { TenantQueue } from './queues/tenant-queue.ts'
import type { TenantOrder } from './queues/tenant-order.ts'
import { runLab, type LabRun } from './run-lab.ts'
import type { Tape } from './tape.ts'
import { withPlaces, type PlacesOptions } from './with-places.ts'

const engine = {
  profile: tiny,
  maxLoras: 4,
  maxCpuLoras: 8,
  maxNumSeqs: 8,
  maxNumBatchedTokens: 256,
  kvTokens: 50_000,
}

/** One that comes with all at once, and one that comes every 50 ms. */
const burst = (size: number): Tape =>
  [
    ...Array.from({ length: size }, () => ({ atMs: 0, tenant: 'greedy' })),
    ...Array.from({ length: 40 }, (_, at) => ({ atMs: at * 50, tenant: 'victim' })),
  ]
    .sort((left, right) => left.atMs - right.atMs)
    .map((one) => ({ ...one, adapter: '', inputTokens: 200, outputTokens: 20, blocks: [] }))

function play(order: TenantOrder, options: PlacesOptions, size = 400): LabRun {
  return runLab({
    tape: burst(size),
    policy: withPlaces(leastRequests(), options),
    queue: new TenantQueue(order),
    replicas: 2,
    engine,
    seed: 1,
  })
}

function mostAtOnce(requests: readonly LabRequest[], replica: number): number {
  const own = requests.filter((request) => request.replica === replica)
  const moves = own.flatMap(({ sentMs, endMs }) => [
    { atMs: sentMs, by: 1 },
    { atMs: endMs, by: -1 },
  ])
  let now = 0
  let most = 0
  for (const { by } of moves.sort((left, right) => left.atMs - right.atMs || left.by - right.by)) {
    now += by
    most = Math.max(most, now)
  }
  return most
}

function worstWaitOf(tenant: string, { requests }: LabRun): number {
  const own = requests.filter(({ entry }) => entry.tenant === tenant)
  return Math.max(...own.map(({ ttftMs }) => ttftMs))
}

test('no replica has more than its limit, and everybody is served', () => {
  const { requests } = play(new FirstCome(), { limit: 5 })
  expect(mostAtOnce(requests, 0)).toBe(5)
  expect(mostAtOnce(requests, 1)).toBe(5)
  expect(requests.every(({ endMs }) => endMs > 0)).toBe(true)
})

test('a limit that is learned settles a little above what the engine runs', () => {
  const { requests } = play(new FirstCome(), {}, 1500)
  const late = requests.filter(({ sentMs }) => sentMs > 2500)
  expect(late.length).toBeGreaterThan(50)
  expect(mostAtOnce(late, 0)).toBeLessThanOrEqual(engine.maxNumSeqs + 2)
})

test('prompts that were not read yet hold up the next', () => {
  const { requests } = play(new FirstCome(), { promptTokens: 300 })
  for (const request of requests) {
    const unread = requests.filter(
      (other) =>
        other !== request &&
        other.replica === request.replica &&
        other.sentMs <= request.sentMs &&
        other.firstTokenMs > request.sentMs,
    )
    // 200 tokens each: two make 400.
    expect(unread.length).toBeLessThanOrEqual(2)
  }
})

test('who may stray goes elsewhere when the rule’s replica is full, and nobody else does', () => {
  const first: RoutePolicy = {
    name: 'first',
    source: '',
    isPlanned: false,
    route: (_request, { replicas }) => sendTo(replicas[0]),
  }
  const mayStray = ({ entry }: LabRequest): boolean => entry.tenant === 'victim'
  const { requests } = runLab({
    tape: burst(100),
    policy: withPlaces(first, { limit: 2, mayStray }),
    queue: new TenantQueue(new FirstCome()),
    replicas: 2,
    engine,
    seed: 1,
  })
  const strayed = requests.filter(({ replica }) => replica === 1)
  expect(strayed.length).toBeGreaterThan(20)
  expect(strayed.every(({ entry }) => entry.tenant === 'victim')).toBe(true)
  expect(mostAtOnce(requests, 0)).toBe(2)
  expect(mostAtOnce(requests, 1)).toBeLessThanOrEqual(2)
})

test('the order is the gateway’s: one within its share does not wait for a burst of another', () => {
  const fcfs = worstWaitOf('victim', play(new FirstCome(), { limit: 8 }))
  const fair = worstWaitOf('victim', play(new FairShareOrder(), { limit: 8 }))
  expect(fair).toBeLessThan(fcfs / 10)
})

test('the same tape, seed and rule give the same run', () => {
  const ends = [1, 2].map(() =>
    play(new FairShareOrder(), {}).requests.map(({ endMs, replica }) => [endMs, replica]),
  )
  expect(ends[0]).toEqual(ends[1])
})

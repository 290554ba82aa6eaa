import { expect, test, vi } from 'vitest'
import type { DesiredRequest } from '../api/agent-protocol.ts'
import type { WantedRevision } from '../core/adapter-plan.ts'
import { CatalogueSender } from './catalogue-sender.ts'
import type { ReplicaState } from './model-pool/pool-replicas.ts'

/** An agent that answers when it is told to. */
function agent(name: string) {
  const orders: { request: DesiredRequest; answer: () => void; fail: () => void }[] = []
  const state: ReplicaState = {
    name,
    poolKey: 'models/llama',
    session: 1,
    ready: true,
    detail: '',
    engineVersion: '',
    simulated: true,
    residencyOf: () => ({ state: 'Absent' }),
    link: {
      setDesired: (request) =>
        new Promise((resolve, reject) => {
          const { term, sequence } = request
          const answer = () => resolve({ accepted: true, term, sequence })
          orders.push({ request, answer, fail: () => reject(new Error('away')) })
        }),
    },
  }
  return { state, orders }
}

function revisions(count: number, loadedOn: readonly string[]): readonly WantedRevision[] {
  return Array.from({ length: count }, (_, at) => ({
    revision: at.toString(16).padStart(32, '0'),
    digest: at.toString(16).padStart(64, '0'),
    sizeBytes: 1,
    loadedOn,
  }))
}

function bench(count: number) {
  const agents = Array.from({ length: count }, (_, at) => agent(`r${at}`))
  const sender = new CatalogueSender({ term: () => 1, warn: () => undefined })
  const send = (wanted: readonly WantedRevision[], sessions = 1): void =>
    sender.send(
      agents.map(({ state }) => ({ ...state, session: sessions })),
      new Map([['models/llama', wanted]]),
    )
  return { agents, send, counts: () => agents.map(({ orders }) => orders.length) }
}

test('tells each replica what to load and what it may fetch, and nothing twice', async () => {
  const { agents, send, counts } = bench(2)
  send(revisions(2, ['r1']))
  const wants = agents.map(({ orders }) => orders[0]?.request.entries.map(({ want }) => want))
  expect(wants).toEqual([
    ['Allowed', 'Allowed'],
    ['Loaded', 'Loaded'],
  ])
  agents.forEach(({ orders }) => orders[0]?.answer())
  send(revisions(2, ['r1']))
  expect(counts()).toEqual([1, 1])
  send(revisions(2, ['r1']), 2)
  await vi.waitFor(() => expect(counts()).toEqual([2, 2]))
})

test('one content of two adapters is loaded where either wants it', () => {
  const { agents, send } = bench(2)
  send([...revisions(1, ['r0']), ...revisions(1, ['r1'])])
  expect(agents.map(({ orders }) => orders[0]?.request.entries[0]?.want)).toEqual([
    'Loaded',
    'Loaded',
  ])
})

test('large catalogues go a few at a time, the others after them', async () => {
  const { agents, send, counts } = bench(4)
  send(revisions(20_000, ['r0']))
  expect(counts()).toEqual([1, 1, 0, 0])
  agents[0]?.orders[0]?.answer()
  await vi.waitFor(() => expect(counts()).toEqual([1, 1, 1, 0]))
  agents[1]?.orders[0]?.fail()
  await vi.waitFor(() => expect(counts()).toEqual([1, 1, 1, 1]))
  // One that failed is told again, and does not count.
  await vi.waitFor(() => expect(counts()).toEqual([1, 2, 1, 1]))
})

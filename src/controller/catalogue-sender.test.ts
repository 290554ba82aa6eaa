import { expect, test, vi } from 'vitest'
import { patience } from '../../test/support/eventually.ts'
import type { DesiredRequest } from '../api/agent-protocol.ts'
import type { WantedRevision } from '../core/adapter-plan.ts'
import { CatalogueSender } from './catalogue-sender.ts'
import type { ReplicaState } from './model-pool/pool-replicas.ts'

/** An agent that answers when it is told to. */
function agent(name: string) {
  const orders: {
    request: DesiredRequest
    answer: () => void
    refuse: () => void
    fail: () => void
  }[] = []
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
          const refuse = () => resolve({ accepted: false, term: 0, sequence: 0 })
          orders.push({ request, answer, refuse, fail: () => reject(new Error('away')) })
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
    onDisk: [],
    least: 1,
    most: 1,
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
  await vi.waitFor(() => expect(counts()).toEqual([2, 2]), patience)
})

test('one content of two adapters is loaded where either wants it', () => {
  const { agents, send } = bench(2)
  send([...revisions(1, ['r0']), ...revisions(1, ['r1'])])
  expect(agents.map(({ orders }) => orders[0]?.request.entries[0]?.want)).toEqual([
    'Loaded',
    'Loaded',
  ])
})

test('says what changed since what the agent has taken, and the whole where it holds something else', async () => {
  const { agents, send, counts } = bench(1)
  const [agent = unexpected()] = agents
  const [first = unexpected(), second = unexpected(), third = unexpected()] = revisions(3, ['r0'])
  send([first, second])
  agent.orders[0]?.answer()
  // Another value, and nothing else of it for this replica.
  send([{ ...first, loadedOn: ['r0', 'r9'] }, second])
  send([{ ...first, loadedOn: ['r9'] }, third])
  await vi.waitFor(() => expect(counts()).toEqual([2]), patience)
  const sequence = agent.orders[0]?.request.sequence
  expect(agent.orders[1]?.request).toMatchObject({
    entries: [
      { revision: first.revision, want: 'Allowed' },
      { revision: third.revision, want: 'Loaded' },
    ],
    change: { since: sequence, gone: [second.revision] },
  })
  agent.orders[1]?.refuse()
  await vi.waitFor(() => expect(counts()).toEqual([3]), patience)
  expect(agent.orders[2]?.request.change).toBeUndefined()
  expect(agent.orders[2]?.request.entries.map(({ want }) => want)).toEqual(['Allowed', 'Loaded'])
  // One that may or may not have arrived is not built upon either.
  agent.orders[2]?.answer()
  send([first])
  await vi.waitFor(() => expect(counts()).toEqual([4]), patience)
  agent.orders[3]?.fail()
  await vi.waitFor(() => expect(counts()).toEqual([5]), patience)
  expect(agent.orders[4]?.request.change).toBeUndefined()
})

test('large catalogues go a few at a time, the others after them', async () => {
  const { agents, send, counts } = bench(4)
  send(revisions(20_000, ['r0']))
  expect(counts()).toEqual([1, 1, 0, 0])
  agents[0]?.orders[0]?.answer()
  await vi.waitFor(() => expect(counts()).toEqual([1, 1, 1, 0]), patience)
  agents[1]?.orders[0]?.fail()
  await vi.waitFor(() => expect(counts()).toEqual([1, 1, 1, 1]), patience)
  // One that failed is told again, and does not count.
  await vi.waitFor(() => expect(counts()).toEqual([1, 2, 1, 1]), patience)
})

function unexpected(): never {
  throw new Error('not there')
}

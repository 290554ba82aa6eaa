import { expect, test } from 'vitest'
import { h100Llama8b } from '../profile.ts'
import { Fleet } from './fleet.ts'
import { LabRequest } from './lab-request.ts'

const adapters = [1, 2, 3].map((id) => ({ id, name: `a${id}`, path: '' }))
const engine = {
  profile: h100Llama8b,
  maxLoras: 4,
  maxCpuLoras: 8,
  maxNumSeqs: 64,
  maxNumBatchedTokens: 2048,
  kvTokens: 100_000,
}
/** From disk and into a slot, for each. */
const loadsMs = 3 * (h100Llama8b.diskToHostMs + h100Llama8b.hostToSlotMs)

function aFleet(coldStartMs = 60_000) {
  const ended: LabRequest[] = []
  const events = { changed: () => {}, ended: (request: LabRequest) => ended.push(request) }
  return { fleet: new Fleet({ engine, adapters, coldStartMs }, events), ended }
}

function aRequest(outputTokens: number): LabRequest {
  const entry = {
    atMs: 0,
    tenant: 't',
    adapter: 'a1',
    inputTokens: 100,
    outputTokens,
    blocks: [],
  }
  return new LabRequest(entry, adapters[0], outputTokens, [])
}

function runUntil(fleet: Fleet, untilMs: number): void {
  for (let nowMs = fleet.nextMs(); nowMs <= untilMs; nowMs = fleet.nextMs()) {
    fleet.advance(nowMs)
  }
}

test('a replica serves after its cold start and the loading of its adapters, and costs from its order on', () => {
  const { fleet } = aFleet()
  fleet.scaleTo(1, 1000)
  expect(fleet.counts).toEqual({ serving: 0, starting: 1, leaving: 0 })
  expect(fleet.pendingReadyMs).toEqual([61_000])
  runUntil(fleet, 61_000 + loadsMs - 1)
  expect(fleet.serving).toHaveLength(0)
  runUntil(fleet, 61_000 + loadsMs + 1)
  expect(fleet.serving).toHaveLength(1)
  expect(fleet.diskReads).toBe(3)
  expect(fleet.gpuMs(100_000)).toBe(99_000)
})

test('one that leaves gets nothing new, ends its streams and is paid for until then', () => {
  const { fleet, ended } = aFleet()
  fleet.begin(1)
  const [replica] = fleet.serving
  replica?.submit(aRequest(500), 0)
  runUntil(fleet, 1000)
  fleet.scaleTo(0, 1000)
  expect(fleet.serving).toHaveLength(0)
  expect(fleet.counts).toEqual({ serving: 0, starting: 0, leaving: 1 })
  runUntil(fleet, 1e7)
  const [request] = ended
  expect(request?.endMs).toBeGreaterThan(1000)
  expect(fleet.gpuMs(1e9)).toBe(request?.endMs)
  expect(fleet.counts.leaving).toBe(0)
})

test('an answer has just begun until an eighth of what is expected is written', () => {
  const { fleet, ended } = aFleet()
  fleet.begin(1)
  const [replica] = fleet.serving
  const short = aRequest(3)
  for (const request of [aRequest(500), short]) {
    replica?.submit(request, 0)
  }
  expect(replica?.beginnings).toBe(2)
  runUntil(fleet, 40 * h100Llama8b.stepMs)
  expect(ended).toEqual([short])
  expect(replica?.beginnings).toBe(1)
  runUntil(fleet, 250 * h100Llama8b.stepMs)
  expect(replica?.beginnings).toBe(0)
  expect(replica?.inFlight).toBe(1)
  runUntil(fleet, 1e7)
  expect(replica).toMatchObject({ beginnings: 0, inFlight: 0 })
})

test('of those that could go, one that still starts goes first, then the least busy', () => {
  const { fleet } = aFleet()
  fleet.begin(2)
  fleet.serving[1]?.submit(aRequest(500), 0)
  fleet.scaleTo(3, 0)
  fleet.scaleTo(2, 10)
  expect(fleet.counts).toEqual({ serving: 2, starting: 0, leaving: 0 })
  fleet.scaleTo(1, 20)
  expect(fleet.serving.map(({ index }) => index)).toEqual([1])
})

test('an engine that dies is replaced after a cold start, and who had no token may go elsewhere', () => {
  const { fleet } = aFleet()
  fleet.begin(1)
  const early = aRequest(500)
  fleet.serving[0]?.submit(early, 0)
  runUntil(fleet, 1000)
  const late = aRequest(5)
  fleet.serving[0]?.submit(late, 1000)
  expect(fleet.fail(1001)).toEqual([late])
  expect(fleet.counts).toEqual({ serving: 0, starting: 1, leaving: 0 })
  runUntil(fleet, 62_000)
  expect(fleet.serving).toHaveLength(1)
})

test('of more adapters than there is room for, those are resident that the engine still has', () => {
  const { fleet } = aFleet()
  fleet.begin(1)
  const [replica] = fleet.serving
  for (let id = 1; id <= 30; id += 1) {
    replica?.order({ id, name: `a${id}`, path: '' }, 0)
  }
  runUntil(fleet, 60_000)
  const there = new Set(replica?.model.caches.inHostMemory)
  expect(replica?.residents).toEqual(there)
  expect(there.size).toBe(engine.maxCpuLoras)
})

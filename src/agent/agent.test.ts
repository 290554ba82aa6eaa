import { describe, expect, test, vi } from 'vitest'
import { AgentBench, entryOf, patience } from '../../test/support/agent-bench.ts'
import { CallCounter } from '../../test/support/tapped-client.ts'

describe('an agent', () => {
  test('makes what is wanted routable and says each step', async () => {
    await using bench = await AgentBench.create({ simulator: { maxModelLen: 777 } })
    await bench.start()
    const revisions = await bench.want(await bench.writeSome(1))
    await bench.become(revisions, 'Routable')
    const told = bench.toldOf(revisions[0] ?? '')
    expect(told.filter((state) => state !== 'OnDisk')).toEqual(['Loading', 'Loaded', 'Routable'])
    expect(bench.messages[0]).toMatchObject({ type: 'hello', engineProcess: '' })
    const hello = bench.messages.findLast((it) => it.type === 'hello')
    expect(hello?.engineProcess).not.toBe('')
    expect(hello?.maxModelLen).toBe(777)
    expect(bench.messages.findLast((it) => it.type === 'load')).toMatchObject({ ready: true })
  })

  test('refuses a catalogue that is older than the one it has', async () => {
    await using bench = await AgentBench.create()
    const desired = (term: number, sequence: number) =>
      bench.agent.setDesired({ term, sequence, entries: [] })
    expect(await desired(2, 5)).toEqual({ accepted: true, term: 2, sequence: 5 })
    expect(await desired(2, 5)).toEqual({ accepted: false, term: 2, sequence: 5 })
    expect(await desired(1, 9)).toEqual({ accepted: false, term: 2, sequence: 5 })
    expect(await desired(3, 0)).toEqual({ accepted: true, term: 3, sequence: 0 })
  })

  test('follows two contents that replace each other, each loaded once and proved each time', async () => {
    const counter = new CallCounter()
    await using bench = await AgentBench.create({ client: counter.tap })
    await bench.start()
    const [a, b] = await bench.writeSome(2)
    const both = [a, b].filter((it) => it !== undefined)
    const revisions = both.map((adapter) => entryOf(adapter, 'Loaded').revision)
    for (let round = 0; round < 6; round += 1) {
      const [now, other] = round % 2 === 0 ? revisions : revisions.toReversed()
      await bench.want(both.filter((adapter) => entryOf(adapter, 'Loaded').revision === now))
      await bench.become([now ?? ''], 'Routable')
      expect(bench.stateOf(other ?? '')).not.toBe('Routable')
    }
    expect(revisions.map((revision) => counter.of('load', revision))).toEqual([1, 1])
    expect(counter.calls.filter((call) => call.startsWith('unload'))).toEqual([])
    // Three prompts, three times each.
    expect(counter.of('complete', revisions[0] ?? '')).toBe(9)
  })

  test('loads on demand what the catalogue merely allows, and tells how long that may be', async () => {
    await using bench = await AgentBench.create()
    await bench.start()
    const [revision = ''] = await bench.want(await bench.writeSome(1), 'Allowed')
    await bench.become([revision], 'OnDisk')
    expect(await bench.agent.ensure('0'.repeat(32))).toEqual({ state: 'Unknown' })
    const answer = await bench.agent.ensure(revision)
    expect(answer).toMatchObject({ state: 'Loading' })
    expect(answer.state === 'Loading' ? answer.estimateMs : 0).toBeGreaterThan(0)
    await bench.become([revision], 'Routable')
    expect(await bench.agent.ensure(revision)).toEqual({ state: 'Routable' })
  })

  test('takes a request for a slot as demand, too', async () => {
    await using bench = await AgentBench.create()
    await bench.start()
    const [revision = ''] = await bench.want(await bench.writeSome(1), 'Allowed')
    const ask = () => bench.agent.lease({ gateway: 'g', wanted: [revision], inFlight: {} })
    await vi.waitFor(async () => expect((await ask()).granted).toEqual([revision]), patience)
  })

  test('says why an adapter cannot be had, and does not try again', async () => {
    const counter = new CallCounter()
    await using bench = await AgentBench.create({
      client: counter.tap,
      simulator: { maxRank: 16 },
    })
    await bench.start()
    const broken = await bench.fixture('adapters-broken/rank-too-large')
    const [revision = ''] = await bench.want([broken])
    await bench.become([revision], 'RankTooLarge')
    const [good = ''] = await bench.want([await bench.write(1), broken])
    await bench.become([good], 'Routable')
    expect(await bench.agent.ensure(revision)).toMatchObject({
      state: 'Failed',
      reason: 'RankTooLarge',
    })
    expect(counter.of('load', revision)).toBe(1)
    // Gone and back: it may be tried again.
    await bench.want([])
    await bench.want([broken])
    await vi.waitFor(() => expect(counter.of('load', revision)).toBe(2), patience)
  })

  test('tries again what failed for a passing reason', async () => {
    await using bench = await AgentBench.create({ agent: { times: { firstRetryMs: 10 } } })
    await bench.start()
    bench.engine.simulator.faults.add({
      kind: 'LoadFails',
      status: 500,
      message: 'CUDA out of memory',
      times: 2,
    })
    const revisions = await bench.want(await bench.writeSome(1))
    await bench.become(revisions, 'Routable')
    expect(bench.toldOf(revisions[0] ?? '')).toContain('Failed')
  })

  test('waits for files that are not on its disk yet', async () => {
    await using bench = await AgentBench.create({ agent: { times: { firstRetryMs: 10 } } })
    await bench.start()
    const adapter = await bench.write(1)
    bench.unshelve(adapter)
    const revisions = await bench.want([adapter])
    await bench.become(revisions, 'NotOnDisk')
    await bench.shelve(adapter.path)
    await bench.become(revisions, 'Routable')
  })

  test('does not overload a busy engine with its canary but tries later', async () => {
    await using bench = await AgentBench.create({ agent: { times: { firstRetryMs: 10 } } })
    await bench.start()
    bench.engine.simulator.faults.add({ kind: 'Overload', times: 4 })
    await bench.become(await bench.want(await bench.writeSome(1)), 'Routable')
  })
})

describe('draining', () => {
  test('grants nothing new and ends with the last request', async () => {
    await using bench = await AgentBench.create()
    await bench.start()
    const [a = '', b = ''] = await bench.want(await bench.writeSome(2))
    await bench.become([a, b], 'Routable')
    const lease = (wanted: string[], inFlight: Record<string, number>) =>
      bench.agent.lease({ gateway: 'g', wanted, inFlight })
    expect((await lease([a], {})).granted).toEqual([a])
    let drained = false
    const drain = bench.agent.drain().then(() => (drained = true))
    expect((await lease([b], { [a]: 1 })).granted).toEqual([])
    expect(bench.agent.snapshot()).toMatchObject({ ready: false, draining: true })
    expect(drained).toBe(false)
    await lease([], {})
    await drain
  })
})

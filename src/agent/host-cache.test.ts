import { describe, expect, test, vi } from 'vitest'
import { AgentBench, entryOf, patience } from '../../test/support/agent-bench.ts'

describe('the host cache', () => {
  test('says so when more is wanted than it holds, and serves the rest', async () => {
    await using bench = await AgentBench.create({ maxLoras: 2, maxCpuLoras: 2 })
    await bench.start()
    const revisions = await bench.want(await bench.writeSome(3))
    await vi.waitFor(
      () =>
        expect(bench.statesOf(revisions).toSorted()).toEqual([
          'HostCacheFull',
          'Routable',
          'Routable',
        ]),
      patience,
    )
    const full = revisions.find((revision) => bench.stateOf(revision) === 'HostCacheFull') ?? ''
    expect(await bench.agent.ensure(full)).toMatchObject({
      state: 'Failed',
      message: expect.stringContaining('lora.maxCpuLoras'),
    })
  })

  test('gives the place of the least recently used on-demand adapter to the next', async () => {
    await using bench = await AgentBench.create({
      maxLoras: 2,
      maxCpuLoras: 2,
      agent: { times: { leaseMs: 0 } },
    })
    await bench.start()
    const adapters = await bench.writeSome(4)
    const revisions = adapters.map((adapter) => entryOf(adapter, 'Loaded').revision)
    // Wanted one after the other; with no lease each is left to the cache when the next one comes.
    for (const [index, revision] of revisions.entries()) {
      const entries = adapters.map((it, at) => entryOf(it, at === index ? 'Loaded' : 'Allowed'))
      await bench.agent.setDesired({ term: 1, sequence: index, entries })
      await bench.become([revision], 'Routable')
    }
    expect(bench.statesOf(revisions)).toEqual(['OnDisk', 'OnDisk', 'Routable', 'Routable'])
    expect(bench.agent.snapshot().hostCache).toEqual({ capacity: 2, registered: 2, ghosts: 0 })
  })

  test('restarts for its ghosts where another replica serves', async () => {
    let others = false
    await using bench = await AgentBench.create({
      maxLoras: 2,
      maxCpuLoras: 4,
      agent: { canRestart: () => others, times: { retiredIdleMs: 0 } },
    })
    await bench.start()
    for (const adapter of await bench.writeSome(3)) {
      await bench.become(await bench.want([adapter]), 'Routable')
    }
    await vi.waitFor(() => expect(bench.agent.snapshot().hostCache.ghosts).toBe(2), patience)
    expect(bench.agent.snapshot().detail).toContain('GhostsHigh')
    expect(bench.engine.restarts).toEqual([])
    others = true
    const revisions = await bench.want([await bench.write(9)])
    await vi.waitFor(() => expect(bench.engine.restarts).toHaveLength(1), patience)
    await bench.become(revisions, 'Routable')
    expect(bench.agent.snapshot().detail).toBe('')
  })

  test.each([
    ['goes', 0, true],
    ['stays for a while', 60_000, false],
  ])('content %s once its name is gone', async (_word, keepFilesMs, want) => {
    const times = { retiredIdleMs: 0, keepFilesMs }
    await using bench = await AgentBench.create({ agent: { times } })
    const [adapter] = await bench.writeSome(1)
    expect(bench.agent.mayDelete(adapter!.digest), 'before the engine was asked').toBe(false)
    await bench.start()
    await bench.become(await bench.want([adapter!]), 'Routable')
    expect(bench.agent.mayDelete(adapter!.digest), 'while it is wanted').toBe(false)
    await bench.want([])
    await vi.waitFor(() => expect(bench.agent.snapshot().hostCache.ghosts).toBe(1), patience)
    expect(bench.agent.mayDelete(adapter!.digest)).toBe(want)
  })
})

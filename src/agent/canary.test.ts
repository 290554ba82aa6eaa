import { describe, expect, test, vi } from 'vitest'
import { AgentBench, entryOf, patience } from '../../test/support/agent-bench.ts'
import { CallCounter } from '../../test/support/tapped-client.ts'
import { engineNameOf } from '../api/names.ts'

describe('canaries', () => {
  test.each(['adapters-broken/no-effect', 'adapters-broken/zero-weights'])(
    'refuse %s for good and take its name from the engine',
    async (fixture) => {
      const counter = new CallCounter()
      await using bench = await AgentBench.create({ client: counter.tap })
      await bench.start()
      const silent = await bench.fixture(fixture)
      const [revision = ''] = await bench.want([silent])
      await bench.become([revision], 'NoEffect')
      await vi.waitFor(() => expect(counter.of('unload', revision)).toBe(1), patience)
      expect(bench.toldOf(revision)).not.toContain('Routable')
      await bench.become(await bench.want([await bench.write(1)]), 'Routable')
      expect(counter.of('load', revision)).toBe(1)
    },
  )

  test('pass every good adapter', async () => {
    await using bench = await AgentBench.create()
    await bench.start()
    const good = await Promise.all(
      ['acme-tickets', 'globex-shout', 'initech-initials'].map((name) =>
        bench.fixture(`adapters/${name}`),
      ),
    )
    await bench.become(await bench.want(good), 'Routable')
  })

  test('refuse what is not finite for good, ask the base, and restart an engine that it poisoned', async () => {
    const counter = new CallCounter()
    await using bench = await AgentBench.create({ client: counter.tap })
    await bench.start()
    const good = await bench.writeSome(3)
    await bench.become(await bench.want(good), 'Routable')
    const poison = await bench.fixture('adapters-broken/not-a-number')
    const revisions = await bench.want([...good, poison])
    const bad = revisions[3] ?? ''
    await bench.become([bad], 'NonFiniteAnswer')
    await vi.waitFor(() => expect(bench.engine.restarts).toHaveLength(1), patience)
    await bench.become(revisions.slice(0, 3), 'Routable')
    expect(bench.stateOf(bad)).toBe('NonFiniteAnswer')
    expect(counter.of('load', bad)).toBe(1)
    expect(bench.agent.snapshot().ready).toBe(true)
  })

  test('leave an engine whose base still answers as before alone', async () => {
    await using bench = await AgentBench.create()
    await bench.start()
    await bench.become(await bench.want(await bench.writeSome(1)), 'Routable')
    const other = await bench.write(7)
    const body = 'Out of range float values are not JSON compliant'
    bench.engine.simulator.faults.add({
      kind: 'Answer',
      model: engineNameOf(entryOf(other, 'Loaded').revision),
      status: 400,
      body: JSON.stringify({ error: { message: body, type: 'BadRequestError', code: 400 } }),
    })
    const [revision = ''] = await bench.want([other])
    await bench.become([revision], 'NonFiniteAnswer')
    await vi.waitFor(() => expect(bench.agent.snapshot().hostCache.ghosts).toBe(1), patience)
    expect(bench.engine.restarts).toEqual([])
    expect(bench.agent.snapshot().ready).toBe(true)
  })

  test('end service on a poisoned engine that is not ours to restart until it recovers', async () => {
    const asked: string[] = []
    await using bench = await AgentBench.create({
      restartable: false,
      agent: {
        onRestartNeeded: (reason) => void asked.push(reason),
        times: { sentinelEveryMs: 20 },
      },
    })
    await bench.start()
    const good = await bench.writeSome(1)
    await bench.want([...good, await bench.fixture('adapters-broken/not-a-number')])
    await vi.waitFor(() => expect(asked).toHaveLength(1), patience)
    expect(bench.messages.filter((it) => it.type === 'load').some((it) => !it.ready)).toBe(true)
    await vi.waitFor(() => expect(bench.agent.snapshot().ready).toBe(true), patience)
    await bench.become(await bench.want(good), 'Routable')
    expect(asked).toHaveLength(1)
  })
})

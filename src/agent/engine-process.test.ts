import { describe, expect, test, vi } from 'vitest'
import { AgentBench, entryOf, patience } from '../../test/support/agent-bench.ts'
import { CallCounter, tapped } from '../../test/support/tapped-client.ts'
import { engineNameOf } from '../api/names.ts'

describe('when the engine process changes', () => {
  test('everything is void at once and twenty adapters are routable again, the last used first', async () => {
    await using bench = await AgentBench.create({ maxLoras: 4 })
    await bench.start()
    const revisions = await bench.want(await bench.writeSome(20))
    await bench.become(revisions, 'Routable')
    const favourites = [revisions[13] ?? '', revisions[7] ?? '']
    for (const revision of favourites.toReversed()) {
      await bench.agent.ensure(revision)
    }
    bench.messages.length = 0
    bench.engine.kill()
    expect(bench.messages[0]).toMatchObject({ type: 'hello', engineProcess: '' })
    expect(bench.statesOf(revisions)).toEqual(revisions.map(() => 'OnDisk'))
    expect(bench.agent.snapshot().ready).toBe(false)
    const startMs = performance.now()
    await bench.engine.boot()
    await bench.become(revisions, 'Routable')
    expect(performance.now() - startMs).toBeLessThan(5000)
    const order = bench.messages.flatMap((message) =>
      message.type === 'residency' && message.residency.state === 'Routable'
        ? [message.revision]
        : [],
    )
    expect(order.slice(0, 2)).toEqual(favourites)
  })

  test('on-demand adapters with recent traffic come back, too', async () => {
    await using bench = await AgentBench.create()
    await bench.start()
    const revisions = await bench.want(await bench.writeSome(2), 'Allowed')
    await bench.agent.ensure(revisions[0] ?? '')
    await bench.become(revisions.slice(0, 1), 'Routable')
    bench.engine.kill()
    await bench.engine.boot()
    await bench.become(revisions.slice(0, 1), 'Routable')
    expect(bench.stateOf(revisions[1] ?? '')).toBe('OnDisk')
  })

  test('an agent that is new to a running engine proves what is there without loading it again', async () => {
    const counter = new CallCounter()
    await using bench = await AgentBench.create({ client: counter.tap })
    await bench.engine.boot()
    const [adapter] = await bench.writeSome(1)
    const revision = entryOf(adapter!, 'Loaded').revision
    await bench.callEngine((client) => client.load(engineNameOf(revision), adapter!.path))
    await bench.want([adapter!])
    bench.agent.start()
    await bench.become([revision], 'Routable')
    expect(counter.of('load', revision)).toBe(0)
  })

  test('it does so, too, when the catalogue comes later than the engine', async () => {
    const counter = new CallCounter()
    await using bench = await AgentBench.create({ client: counter.tap })
    await bench.engine.boot()
    const [adapter] = await bench.writeSome(1)
    const revision = entryOf(adapter!, 'Loaded').revision
    await bench.callEngine((client) => client.load(engineNameOf(revision), adapter!.path))
    bench.agent.start()
    await bench.become([revision], 'Retired')
    await bench.want([adapter!])
    await bench.become([revision], 'Routable')
    expect(counter.calls.filter((call) => /load/.test(call))).toEqual([])
  })

  test('a name of ours that stands for other files is unloaded before anybody is routed to it', async () => {
    const counter = new CallCounter()
    await using bench = await AgentBench.create({ client: counter.tap })
    await bench.engine.boot()
    const [ours, theirs] = await bench.writeSome(2)
    const revision = entryOf(ours!, 'Loaded').revision
    await bench.callEngine((client) => client.load(engineNameOf(revision), theirs!.path))
    await bench.want([ours!])
    bench.agent.start()
    await bench.become([revision], 'Routable')
    const changes = counter.calls.filter((call) => /^(un)?load/.test(call))
    expect(changes).toEqual([`unload ${revision}`, `load ${revision}`])
  })

  test('an adapter that vanished from the engine is loaded again', async () => {
    await using bench = await AgentBench.create({ agent: { times: { modelsEveryMs: 30 } } })
    await bench.start()
    const revisions = await bench.want(await bench.writeSome(1))
    await bench.become(revisions, 'Routable')
    bench.messages.length = 0
    await bench.callEngine((client) => client.unload(engineNameOf(revisions[0] ?? '')))
    await vi.waitFor(
      () => expect(bench.toldOf(revisions[0] ?? '').at(-1)).toBe('Routable'),
      patience,
    )
    expect(bench.agent.snapshot().hostCache).toMatchObject({ registered: 1, ghosts: 1 })
  })

  test.each(['models', 'load', 'complete', 'unload', 'metrics'] as const)(
    'it converges when the engine dies around %s',
    async (fatal) => {
      for (const moment of ['before', 'after'] as const) {
        let kills = 1
        const strike = async (call: string) => {
          if (call === fatal && kills > 0) {
            kills -= 1
            bench.engine.kill()
            setImmediate(() => void bench.engine.boot())
          }
        }
        await using bench = await AgentBench.create({
          maxCpuLoras: 2,
          maxLoras: 2,
          client: (real) => tapped(real, { [moment]: strike }),
        })
        await bench.start()
        const [first, ...rest] = await bench.writeSome(3)
        await bench.become(await bench.want([first!]), 'Routable')
        // Takes the place of the first one, which has to be unloaded for it.
        const revisions = await bench.want(rest)
        await bench.become(revisions, 'Routable')
        expect(kills).toBe(0)
      }
    },
  )

  test('an engine that answers nothing is not ready, and nothing is lost when it answers again', async () => {
    const counter = new CallCounter()
    let isSilent = false
    await using bench = await AgentBench.create({
      agent: { times: { metricsEveryMs: 20 } },
      client: (real) => {
        const client = counter.tap(real)
        const metrics = () => (isSilent ? Promise.reject(new Error('silent')) : real.metrics())
        return { ...client, metrics }
      },
    })
    await bench.start()
    const revisions = await bench.want(await bench.writeSome(1))
    await bench.become(revisions, 'Routable')
    isSilent = true
    await vi.waitFor(() => expect(bench.agent.snapshot().ready).toBe(false), patience)
    isSilent = false
    await vi.waitFor(() => expect(bench.agent.snapshot().ready).toBe(true), patience)
    expect(bench.statesOf(revisions)).toEqual(['Routable'])
    expect(counter.of('load', revisions[0] ?? '')).toBe(1)
  })
})

import { expect, test, vi } from 'vitest'
import { setTimeout } from 'node:timers/promises'
import { AgentBench, patience } from '../../test/support/agent-bench.ts'
import { CallCounter } from '../../test/support/tapped-client.ts'
import { request } from 'undici'

test('a drain waits for requests to the base, which hold no slot', async () => {
  await using bench = await AgentBench.create({ simulator: { maxModelLen: 200_000 } })
  await bench.start()
  await vi.waitFor(() => expect(bench.agent.snapshot().ready).toBe(true), patience)
  const stop = new AbortController()
  const { body } = await request(`${bench.engine.address.url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      model: bench.engine.servedModelName,
      prompt: 'on and on',
      max_tokens: 100_000,
      ignore_eos: true,
      stream: true,
    }),
    signal: stop.signal,
  })
  body.on('error', () => undefined)
  body.on('data', () => undefined)
  let drained = false
  const draining = bench.agent.drain().then(() => {
    drained = true
  })
  await vi.waitFor(
    () =>
      expect(bench.messages.findLast((it) => it.type === 'load')).toMatchObject({
        draining: true,
        running: 1,
      }),
    patience,
  )
  expect(drained).toBe(false)
  stop.abort()
  await draining
  bench.agent.undrain()
  expect(bench.agent.snapshot()).toMatchObject({ draining: false, ready: true })
})

test('a drain waits for the load in flight and begins no other, until it is taken back', async () => {
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  const loads: string[] = []
  await using bench = await AgentBench.create({
    agent: { times: { metricsEveryMs: 10 } },
    client: (real) => {
      const load: typeof real.load = async (name, ...rest) => {
        loads.push(name)
        await released
        return real.load(name, ...rest)
      }
      return { ...new CallCounter().tap(real), load }
    },
  })
  await bench.start()
  const revisions = await bench.want([await bench.write(1), await bench.write(2)])
  await vi.waitFor(() => expect(loads).toHaveLength(1), patience)
  let drained = false
  const draining = bench.agent.drain().then(() => {
    drained = true
  })
  // Several looks at the engine, of which one is enough for a drain where nothing is in flight.
  await setTimeout(200)
  expect([bench.agent.snapshot().draining, drained]).toEqual([true, false])
  release()
  await draining
  expect(bench.statesOf(revisions).filter((state) => state === 'Routable')).toEqual([])
  expect(loads).toHaveLength(1)
  bench.agent.undrain()
  await bench.become(revisions, 'Routable')
  expect(loads).toHaveLength(2)
})

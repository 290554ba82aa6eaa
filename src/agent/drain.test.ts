import { expect, test, vi } from 'vitest'
import { AgentBench, patience } from '../../test/support/agent-bench.ts'
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

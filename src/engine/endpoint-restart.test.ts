import { expect, test, vi } from 'vitest'
import { startSimulator, type Simulator } from '../sim/server.ts'
import { createEndpointEngine, type EngineRestarter } from './endpoint-backend.ts'

const patience = { timeout: 10_000, interval: 10 }

/** A kubelet that does nothing by itself. */
function recorder(limitMs: number) {
  const said: string[] = []
  const restarter: EngineRestarter = {
    limitMs,
    want: (reason) => said.push(reason),
    settled: () => said.push('settled'),
  }
  return { said, restarter }
}

async function engineOn(simulator: Simulator, restarter: EngineRestarter) {
  const engine = createEndpointEngine({
    name: 'pod',
    address: { url: simulator.url, apiKey: undefined },
    servedModelName: 'base',
    adapterRoot: undefined,
    pollMs: 20,
    restarter,
  })
  engine.start()
  await vi.waitFor(() => expect(engine.state.state).toBe('Ready'), patience)
  return engine
}

test('a restart is over when another process stands there', async () => {
  const { said, restarter } = recorder(10_000)
  const first = await startSimulator({ servedModelNames: ['base'] })
  const port = Number(new URL(first.url).port)
  const engine = await engineOn(first, restarter)
  const restarting = engine.restart('its base changed')
  await vi.waitFor(() => expect(said).toEqual(['its base changed']), patience)
  first.crash()
  // Start times have hundredths of a second.
  const second = await startSimulator({ servedModelNames: ['base'], port, startupMs: 50 })
  expect(await restarting).toBe(true)
  expect(said).toEqual(['its base changed', 'settled'])
  await engine.stop(0)
  await second.close()
})

test('a restart that nobody does is given up', async () => {
  const { said, restarter } = recorder(50)
  const simulator = await startSimulator({ servedModelNames: ['base'] })
  const engine = await engineOn(simulator, restarter)
  expect(await engine.restart('its base changed')).toBe(false)
  expect(said).toEqual(['its base changed', 'settled'])
  await engine.stop(0)
  await simulator.close()
})

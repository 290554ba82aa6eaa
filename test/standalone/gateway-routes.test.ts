import { afterEach, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { GatewayBed, keyOfTenant, type BedOptions } from '../support/gateway-bed.ts'
import { call } from '../support/http-caller.ts'
import { gatewayDebugState } from '../../src/gateway/debug-state.ts'
import { addStateMetrics } from '../../src/gateway/state-metrics.ts'

let bed: GatewayBed | undefined
afterEach(async () => {
  await bed?.close()
  bed = undefined
})

async function start(options: BedOptions): Promise<GatewayBed> {
  bed = await GatewayBed.start(options)
  return bed
}

const turn = (role: string, content: string) => ({ role, content })
const opening = [
  turn('system', 'Answer the question. '.repeat(40)),
  turn('user', 'What is a colimit? '.repeat(20)),
]

async function ask(to: GatewayBed, messages: readonly object[], fields: object = {}) {
  const answer = await call(`${to.url}/v1/chat/completions`, {
    key: keyOfTenant('acme'),
    body: { model: 'llama-base', max_tokens: 2, messages, ...fields },
  })
  expect(answer.status).toBe(200)
}

const metricsOf = (to: GatewayBed, at: number) => to.replicas[at]?.engine.engine.metrics

test('the next turns of a conversation go where the first was read, and the engine has it cached', async () => {
  const to = await start({ replicas: 3 })
  // Somebody else is at the first replica while the conversation begins, so it begins elsewhere.
  const other = ask(to, [turn('user', 'Count.')], { max_tokens: 200, ignore_eos: true })
  await eventually(() => to.replicas[0]?.engine.engine.gauges.running).toBe(1)
  await ask(to, opening)
  expect([1, 2].map((at) => metricsOf(to, at)?.generationTokens)).toEqual([2, 0])
  await other
  for (const text of ['Oh?', 'Really?', 'And a limit?']) {
    await ask(to, [...opening, turn('assistant', 'A universal cocone.'), turn('user', text)])
  }
  expect([1, 2].map((at) => metricsOf(to, at)?.generationTokens)).toEqual([8, 0])
  expect(metricsOf(to, 1)?.cachedTokens).toBeGreaterThan(500)
})

test('what work costs is told once it is known, and what was seen for it at once', async () => {
  const to = await start({})
  addStateMetrics(to.gateway)
  const stream = { max_tokens: 100, ignore_eos: true, stream: true }
  await ask(to, opening, stream)
  const text = await to.gateway.metrics.registry.metrics()
  expect(text).toMatch(
    /loraplex_engine_cost_samples\{pool="models\/llama",kind="first_token"\} 1$/m,
  )
  expect(text).toMatch(/loraplex_engine_cost_samples\{pool="models\/llama",kind="step"\} [1-9]/)
  expect(text).not.toMatch(/^loraplex_engine_cost_ms\{/m)
  expect(gatewayDebugState(to.gateway)).toMatchObject({
    engineCosts: { 'models/llama': { costs: undefined, evidence: { firstTokens: 1 } } },
  })
})

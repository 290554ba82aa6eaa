// I10: a request that engines die of is found out, and its neighbours are left alone.
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import type { SimulatorOptions } from '../../src/sim/options.ts'
import { tiny } from '../../src/sim/profile.ts'
import { expectRefusal } from '../support/error-shape.ts'
import { eventually } from '../support/eventually.ts'
import { GatewayBed, keyOfTenant, type BedReplica } from '../support/gateway-bed.ts'
import { begin, call, type HttpAnswer } from '../support/http-caller.ts'

let bed: GatewayBed | undefined
afterEach(async () => {
  await bed?.close()
  bed = undefined
})

/** Who sends again waits half a second first; by then it is known that the engine died. */
const sdkPauseMs = 300

const deadly = 'let me out'

interface Deadly {
  readonly to: GatewayBed
  /** Names of the replicas whose engines died, one for each death. */
  readonly deaths: string[]
}

/** Engines that die of one prompt, and agents that notice. */
async function start(
  replicas: number,
  afterTokens = 0,
  simulator: SimulatorOptions = {},
): Promise<Deadly> {
  const to = await GatewayBed.start({ replicas, simulator })
  bed = to
  const deaths: string[] = []
  for (const replica of to.replicas) {
    arm(replica, deaths, afterTokens)
  }
  return { to, deaths }
}

function arm({ engine, agent, name }: BedReplica, deaths: string[], afterTokens: number): void {
  engine.faults.add({ kind: 'Crash', prompt: deadly, afterTokens })
  const crash = engine.crash.bind(engine)
  engine.crash = () => {
    deaths.push(name)
    crash()
    agent.gone()
  }
}

function bodyOf(content: string, fields: object): object {
  return {
    model: 'tickets',
    messages: [{ role: 'user', content }],
    max_tokens: 8,
    ignore_eos: true,
    ...fields,
  }
}

function ask(
  to: GatewayBed,
  content: string,
  fields: object = {},
  tenant = 'acme',
): Promise<HttpAnswer> {
  return call(`${to.url}/v1/chat/completions`, {
    key: keyOfTenant(tenant),
    body: bodyOf(content, fields),
  })
}

describe('a request that killed two engines', () => {
  test.each([true, false])('is refused, and so is its content (stream: %s)', async (stream) => {
    const { to, deaths } = await start(3)
    expectRefusal(await ask(to, deadly, { stream }), 'request_quarantined')
    expect(deaths).toHaveLength(2)
    // As an SDK sends it again, and under another name of the same revision's fields.
    for (const fields of [{ stream }, { stream: !stream }, { stream, service_tier: 'auto' }]) {
      expectRefusal(await ask(to, deadly, fields), 'request_quarantined')
    }
    expect(deaths).toHaveLength(2)
    expect((await ask(to, 'another prompt', { stream })).status).toBe(200)
  })

  test('with streams that it killed in their middle', async () => {
    const { to, deaths } = await start(3, 3)
    const fields = { stream: true }
    for (let death = 1; death <= 2; death += 1) {
      expect((await ask(to, deadly, fields)).text).toContain('engine_failed')
      await delay(sdkPauseMs)
    }
    expectRefusal(await ask(to, deadly, fields), 'request_quarantined')
    expect(deaths).toHaveLength(2)
  })

  test('is so of its own tenant, and on its own revision', async () => {
    const { to } = await start(4)
    expectRefusal(await ask(to, deadly), 'request_quarantined')
    for (const { engine } of to.replicas) {
      engine.faults.clear()
    }
    expect((await ask(to, deadly, { model: 'llama-base' })).status).toBe(200)
    expect((await ask(to, deadly, { model: 'shout' }, 'globex')).status).toBe(200)
  })

  test('is found out on the next process of the only engine', async () => {
    const { to, deaths } = await start(1)
    const [only] = to.replicas
    const answer = ask(to, deadly)
    await eventually(() => deaths.length).toBe(1)
    await to.restart(only!, 'the next process')
    arm(only!, deaths, 0)
    expectRefusal(await answer, 'request_quarantined')
    expect(deaths).toHaveLength(2)
  })
})

describe('its neighbours', () => {
  test('that wait for their first byte are answered by another engine, and are not suspected', async () => {
    const { to, deaths } = await start(4)
    const neighbours = ['one', 'two', 'three', 'four', 'five', 'six'].map((word) =>
      ask(to, word, { stream: true, max_tokens: 40 }),
    )
    const killer = ask(to, deadly, { stream: true })
    expectRefusal(await killer, 'request_quarantined')
    expect(deaths).toHaveLength(2)
    for (const answer of await Promise.all(neighbours)) {
      expect(answer.status).toBe(200)
      expect(answer.text).not.toContain('request_quarantined')
    }
    for (const word of ['one', 'two', 'three', 'four', 'five', 'six']) {
      expect((await ask(to, word, { stream: true })).status).toBe(200)
    }
  })

  test('that were beside it at both deaths are told from it by the third', async () => {
    const { to, deaths } = await start(1, 3, { profile: { ...tiny, stepMs: 20 } })
    const [only] = to.replicas
    const both = async (): Promise<readonly string[]> => {
      const innocent = await begin(`${to.url}/v1/chat/completions`, {
        key: keyOfTenant('acme'),
        body: bodyOf('innocent', { stream: true, max_tokens: 100 }),
      })
      const killer = await ask(to, deadly, { stream: true })
      await delay(sdkPauseMs)
      return [(await innocent()).text, killer.text]
    }
    for (let death = 1; death <= 2; death += 1) {
      for (const text of await both()) {
        expect(text).toContain('engine_failed')
      }
      await to.restart(only!, `process after death ${death}`)
      arm(only!, deaths, 3)
    }
    const [innocent, killer] = await both()
    expect(innocent).not.toContain('"error"')
    expect(killer).toContain('engine_failed')
    expectRefusal(await ask(to, deadly, { stream: true }), 'request_quarantined')
    expect(deaths).toHaveLength(3)
    await to.restart(only!, 'the last process')
    expect((await ask(to, 'innocent', { stream: true })).status).toBe(200)
  })
})

describe('nobody is suspected', () => {
  test('of connections that broke while their engine lives', async () => {
    const { to } = await start(2)
    for (const { engine } of to.replicas) {
      engine.faults.add({ kind: 'Reset', times: 1 })
    }
    expectRefusal(await ask(to, 'hello'), 'engine_failed')
    expect((await ask(to, 'hello')).status).toBe(200)
  })

  test('of the end of engines that were told to end', async () => {
    const { to } = await start(3)
    for (const { agent, engine } of to.replicas.slice(0, 2)) {
      const stream = await begin(`${to.url}/v1/chat/completions`, {
        key: keyOfTenant('acme'),
        body: bodyOf('hello', { stream: true, max_tokens: 2000 }),
      })
      await agent.drain()
      engine.crash()
      expect((await stream()).text).toContain('engine_failed')
      await delay(sdkPauseMs)
    }
    expect((await ask(to, 'hello', { max_tokens: 2000 })).status).toBe(200)
  })
})

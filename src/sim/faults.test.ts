import { request } from 'undici'
import { describe, expect, it } from 'vitest'
import type { FaultInput } from './faults.ts'
import { tiny } from './profile.ts'
import type { Simulator } from './server.ts'
import { ask, chat, good, load, messages, start, says } from '../../test/support/simulated-vllm.ts'

const streamed = { stream: true, max_tokens: 8, ignore_eos: true }

/** Text of a stream up to where it broke, and what broke it. */
async function readStream(simulator: Simulator): Promise<{ text: string; error: unknown }> {
  let text = ''
  try {
    const { body } = await request(`${simulator.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'base', messages, ...streamed }),
    })
    for await (const chunk of body) {
      text += String(chunk)
    }
    return { text, error: undefined }
  } catch (error) {
    return { text, error }
  }
}

const tokensIn = (text: string) => text.split('"delta":{"content":').length - 1

describe('a fault', () => {
  it('resets the connection before the first byte', async () => {
    const simulator = await start()
    simulator.faults.add({ kind: 'Reset' })
    const { text, error } = await readStream(simulator)
    expect(text).toBe('')
    expect(String(error)).toMatch(/ECONNRESET|other side closed/)
  })

  it('resets the connection in the middle of a stream, and frees the engine', async () => {
    const simulator = await start()
    simulator.faults.add({ kind: 'Reset', afterTokens: 3 })
    const { text, error } = await readStream(simulator)
    expect(tokensIn(text)).toBeLessThanOrEqual(3)
    expect(error).toBeDefined()
    await expect.poll(() => simulator.engine.gauges.running).toBe(0)
  })

  it('sends an error inside a stream that began with 200', async () => {
    const simulator = await start()
    simulator.faults.add({ kind: 'ErrorInStream', afterTokens: 2 })
    const { text } = await readStream(simulator)
    expect(tokensIn(text)).toBe(2)
    expect(text).toContain(
      'data: {"error": {"message": "Internal server error", "type": "InternalServerError", "param": null, "code": 500}}',
    )
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true)
  })

  it('hangs after some tokens until the client gives up', async () => {
    const simulator = await start()
    simulator.faults.add({ kind: 'Hang', afterTokens: 2, times: 1 })
    const controller = new AbortController()
    const { body } = await request(`${simulator.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'base', messages, ...streamed }),
      signal: controller.signal,
    })
    let text = ''
    body.on('data', (chunk) => (text += String(chunk)))
    body.on('error', () => undefined)
    await expect.poll(() => tokensIn(text)).toBe(2)
    await expect.poll(() => simulator.engine.gauges.running).toBe(0)
    expect(text).not.toContain('[DONE]')
    controller.abort()
    expect((await chat(simulator, 'base')).status).toBe(200)
  })

  it('that hangs does not keep a drain from ending', async () => {
    const simulator = await start()
    simulator.faults.add({ kind: 'Hang', times: 1 })
    const hanging = chat(simulator, 'base').catch((error: unknown) => String(error))
    await expect.poll(() => simulator.faults.list).toHaveLength(0)
    await simulator.drain(20)
    expect(await hanging).toMatch(/ECONNRESET|other side closed/)
  })

  it('drips a stream slowly and completely', async () => {
    const simulator = await start({ profile: { ...tiny, stepMs: 0 } })
    simulator.faults.add({ kind: 'SlowDrip', delayMs: 10 })
    const began = performance.now()
    const { text } = await readStream(simulator)
    expect(performance.now() - began).toBeGreaterThan(70)
    expect(tokensIn(text)).toBe(8)
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true)
  })

  it('crashes in the middle of a stream: every connection is torn and the port closed', async () => {
    const simulator = await start()
    simulator.faults.add({ kind: 'Crash', afterTokens: 2 })
    expect((await readStream(simulator)).error).toBeDefined()
    await expect(ask(simulator, '/health')).rejects.toThrow()
  })

  it('ends the process with a crash where it is one', async () => {
    const exits: string[] = []
    const simulator = await start({ onExit: (reason) => exits.push(reason) })
    simulator.faults.add({ kind: 'Crash', exit: true })
    await readStream(simulator)
    expect(exits).toEqual(['crash'])
  })

  it('strikes only the model and as often as it says', async () => {
    const simulator = await start()
    await load(simulator, 'acme', good('acme-tickets'))
    simulator.faults.add({ kind: 'Overload', model: 'acme', times: 2 })
    const statuses = []
    for (const model of ['base', 'acme', 'acme', 'acme']) {
      statuses.push((await chat(simulator, model, { max_tokens: 1 })).status)
    }
    expect(statuses).toEqual([200, 503, 503, 200])
  })

  it('says another model in the answer', async () => {
    const simulator = await start()
    simulator.faults.add({ kind: 'WrongModel', says: 'somebody-else' })
    expect((await chat(simulator, 'base')).text).toContain('"model":"somebody-else"')
  })

  it('answers anything at all', async () => {
    const simulator = await start()
    simulator.faults.add({ kind: 'Answer', status: 502, body: '<html>', contentType: 'text/html' })
    expect(await chat(simulator, 'base')).toMatchObject({ status: 502, text: '<html>' })
  })

  it('makes a load fail, slow, or idle', async () => {
    const simulator = await start()
    const path = good('acme-tickets')
    simulator.faults.add({ kind: 'LoadFails', model: 'a', times: 1, message: 'no room' })
    simulator.faults.add({ kind: 'LoadSlow', model: 'b', delayMs: 60 })
    simulator.faults.add({ kind: 'LoadWithoutEffect', model: 'c' })
    const failed = await load(simulator, 'a', path)
    expect(failed).toMatchObject({ status: 500 })
    expect(failed.text).toContain('"no room"')
    const began = performance.now()
    expect((await load(simulator, 'b', path)).status).toBe(200)
    expect(performance.now() - began).toBeGreaterThan(55)
    expect((await load(simulator, 'c', path)).status).toBe(200)
    expect(await says(simulator, 'c')).toBe(await says(simulator, 'base'))
  })

  it('makes /metrics enormous', async () => {
    const simulator = await start()
    simulator.faults.add({ kind: 'LargeMetrics', times: 1, bytes: 1_000_000 })
    expect((await ask(simulator, '/metrics')).text.length).toBeGreaterThan(1_000_000)
    expect((await ask(simulator, '/metrics')).text.length).toBeLessThan(50_000)
  })

  it('kills the engine at once', async () => {
    const simulator = await start()
    simulator.faults.add({ kind: 'KillEngine' })
    expect((await ask(simulator, '/health')).status).toBe(503)
    expect((await chat(simulator, 'base')).status).toBe(500)
  })
})

describe('the control route of faults', () => {
  it('arms, lists and clears', async () => {
    const simulator = await start()
    const fault: FaultInput = { kind: 'Overload', times: 1 }
    expect(JSON.parse((await ask(simulator, '/simulator/faults', fault)).text)).toEqual({
      faults: [fault],
    })
    await request(`${simulator.url}/simulator/faults`, { method: 'DELETE' })
    expect((await ask(simulator, '/simulator/faults')).text).toBe('{"faults":[]}')
  })

  it('refuses what is no fault', async () => {
    const simulator = await start()
    const { status, text } = await ask(simulator, '/simulator/faults', { kind: 'Earthquake' })
    expect(status).toBe(400)
    expect(text).toContain('kind')
  })

  it('is not there where faults are off', async () => {
    const simulator = await start({ faults: false })
    expect((await ask(simulator, '/simulator/faults')).status).toBe(404)
  })
})

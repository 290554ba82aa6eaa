import { afterEach, describe, expect, test } from 'vitest'
import { shortenKeepAlive } from '../../src/gateway/server.ts'
import { tiny } from '../../src/sim/profile.ts'
import { expectRefusal } from '../support/error-shape.ts'
import { eventually } from '../support/eventually.ts'
import { GatewayBed, keyOfTenant, type BedOptions } from '../support/gateway-bed.ts'
import { call, dataOf, openRaw, rawPost, type HttpAnswer } from '../support/http-caller.ts'

let bed: GatewayBed | undefined
afterEach(async () => {
  await bed?.close()
  bed = undefined
})

async function start(options: BedOptions = {}): Promise<GatewayBed> {
  bed = await GatewayBed.start(options)
  return bed
}

const hello = { model: 'tickets', messages: [{ role: 'user', content: 'hello' }], max_tokens: 2 }
const key = keyOfTenant('acme')

function ask(to: GatewayBed, fields: object = {}): Promise<HttpAnswer> {
  return call(`${to.url}/v1/chat/completions`, { key, body: { ...hello, ...fields } })
}

describe('a gateway that leaves', () => {
  test('lets streams end, takes nothing new, and asks callers to go elsewhere', async () => {
    const to = await start({ simulator: { profile: { ...tiny, stepMs: 40 } } })
    const streams = Array.from({ length: 5 }, () =>
      ask(to, { stream: true, max_tokens: 60, ignore_eos: true }),
    )
    await eventually(() => to.engine.engine.gauges.running).toBe(5)
    let isDrained = false
    const drained = to.gateway.drain(new AbortController().signal).then(() => (isDrained = true))
    const refused = await ask(to)
    expectRefusal(refused, 'shutting_down')
    expect(refused.headers).toMatchObject({ connection: 'close', 'retry-after': '1' })
    expect(isDrained).toBe(false)
    for (const answer of await Promise.all(streams)) {
      expect(dataOf(answer.text)).toHaveLength(62)
      expect(dataOf(answer.text).at(-1)).toBe('[DONE]')
    }
    await drained
  })

  /** A caller whose stream began before the gateway said that it leaves, and has ended since. */
  async function streamedBefore(to: GatewayBed) {
    const long = { ...hello, stream: true, max_tokens: 300, ignore_eos: true }
    const post = (body: object): string => rawPost('/v1/chat/completions', key, body)
    const caller = openRaw(to.port, post(long))
    const seen = { text: '' }
    caller.on('data', (chunk: Buffer) => (seen.text += chunk.toString()))
    await eventually(() => seen.text).toContain('data: ')
    to.gateway.announceLeave()
    shortenKeepAlive(to.server)
    await eventually(() => seen.text).toMatch(/data: \[DONE\]\n\n\r\n0\r\n\r\n$/)
    expect(seen.text.toLowerCase()).not.toContain('connection: close')
    return { caller, seen, post }
  }

  test('answers once more behind a stream that began before it, and says that it was the last time', async () => {
    const to = await start()
    const { caller, seen, post } = await streamedBefore(to)
    seen.text = ''
    caller.write(post(hello))
    await eventually(() => caller.readableEnded).toBe(true)
    expect(seen.text).toMatch(/^HTTP\/1.1 200 /)
    expect(seen.text.toLowerCase()).toContain('connection: close')
  })

  test('closes a connection that is not used again behind a stream that began before it', async () => {
    const to = await start()
    const { caller, seen } = await streamedBefore(to)
    const { text } = seen
    await eventually(() => caller.readableEnded).toBe(true)
    expect(seen.text).toBe(text)
    expect(to.gateway.draining).toBe(false)
  })

  test('is not held up by connections that never said anything, or not all', async () => {
    const to = await start()
    const silent = openRaw(to.port, '')
    const slow = openRaw(to.port, 'POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-le')
    await eventually(
      () =>
        new Promise<number>((resolve) =>
          to.server.server.getConnections((_error, count) => resolve(count)),
        ),
    ).toBe(2)
    const started = performance.now()
    await to.gateway.close()
    await to.server.close()
    expect(performance.now() - started).toBeLessThan(5000)
    silent.destroy()
    slow.destroy()
  })

  test('ends what is left with an error frame when the gateway is closed', async () => {
    const to = await start()
    const stream = ask(to, { stream: true, max_tokens: 900, ignore_eos: true })
    await eventually(() => to.engine.engine.metrics.generationTokens).toBeGreaterThan(3)
    await to.gateway.drain(AbortSignal.timeout(50))
    await to.gateway.close()
    const data = dataOf((await stream).text)
    expect(JSON.parse(data.at(-2) ?? '')).toMatchObject({ error: { code: 'shutting_down' } })
    expect(data.at(-1)).toBe('[DONE]')
    await eventually(() => to.engine.engine.gauges.running).toBe(0)
  })
})

import { memoryUsage } from 'node:process'
import { afterEach, describe, expect, test } from 'vitest'
import { aPool } from '../support/builders.ts'
import { engineNameOf } from '../../src/api/names.ts'
import { eventually } from '../support/eventually.ts'
import { Firehose } from '../support/firehose.ts'
import {
  GatewayBed,
  keyOfTenant,
  revisionFor,
  tenants,
  type BedOptions,
} from '../support/gateway-bed.ts'
import { call, openRaw, rawPost } from '../support/http-caller.ts'
import { Lateness } from '../support/lateness.ts'
import { leaveAt, randomDeparture } from '../support/leaving-caller.ts'

let bed: GatewayBed | undefined
afterEach(async () => {
  await bed?.close()
  bed = undefined
})

async function start(options: BedOptions = {}): Promise<GatewayBed> {
  bed = await GatewayBed.start(options)
  return bed
}

const key = keyOfTenant('acme')
const path = '/v1/chat/completions'
const long = {
  model: 'tickets',
  messages: [{ role: 'user', content: 'hello there' }],
  max_tokens: 900,
  ignore_eos: true,
}

/** The bar of a caller that leaves: the engine is free again within a second, without what the test itself was late. */
async function freeWithinASecond(running: () => number): Promise<void> {
  using lateness = new Lateness()
  const startedAtMs = performance.now()
  await eventually(running).toBe(0)
  expect(performance.now() - startedAtMs - lateness.totalMs).toBeLessThan(1000)
}

describe('a caller that leaves', () => {
  const ways: Record<string, (socket: ReturnType<typeof openRaw>) => void> = {
    'with a reset': (socket) => socket.resetAndDestroy(),
    'with a close': (socket) => socket.destroy(),
    'by closing its half': (socket) => socket.end(),
  }
  const cases = Object.entries(ways).flatMap(([name, leave]) =>
    [true, false].map((stream) => [name, stream ? 'a stream' : 'a whole answer', leave] as const),
  )
  test.each(cases)('%s, from %s, frees the engine', async (_name, what, leave) => {
    const to = await start()
    const socket = openRaw(to.port, rawPost(path, key, { ...long, stream: what === 'a stream' }))
    await eventually(() => to.engine.engine.gauges.running).toBe(1)
    leave(socket)
    await freeWithinASecond(() => to.engine.engine.gauges.running)
    expect(to.gateway.inFlight).toBe(0)
    const metrics = await to.gateway.metrics.registry.metrics()
    expect(metrics).toMatch(/loraplex_requests_total\{[^}]*code="client_closed"[^}]*\} 1\b/)
  })

  test('while it waits in the queue leaves no trace', async () => {
    const to = await start()
    to.agent.down()
    const socket = openRaw(to.port, rawPost(path, key, long))
    await eventually(() => to.gateway.queued).toBe(1)
    socket.destroy()
    await eventually(() => to.gateway.queued).toBe(0)
    expect(to.gateway.inFlight).toBe(0)
  })

  test('with requests of one connection still to come leaves none of them behind', async () => {
    const to = await start()
    const socket = openRaw(to.port, rawPost(path, key, { ...long, stream: true }).repeat(4))
    await eventually(() => to.engine.engine.gauges.running).toBe(4)
    socket.destroy()
    await freeWithinASecond(() => to.engine.engine.gauges.running)
    expect(to.gateway.inFlight).toBe(0)
  })

  test('is paid for up to the last frame', async () => {
    const to = await start()
    const socket = openRaw(to.port, rawPost(path, key, { ...long, stream: true }))
    await eventually(() => to.engine.engine.metrics.generationTokens).toBeGreaterThan(5)
    socket.destroy()
    await eventually(() => to.gateway.inFlight).toBe(0)
    const metrics = await to.gateway.metrics.registry.metrics()
    const tokens = Number(/loraplex_tokens_total\{[^}]*kind="output"\} (\d+)/.exec(metrics)?.[1])
    expect(tokens).toBeGreaterThanOrEqual(5)
    expect(tokens).toBeLessThanOrEqual(to.engine.engine.metrics.generationTokens)
  })

  test('five hundred times at random bytes: nothing is left', async () => {
    const to = await start({ simulator: { maxNumSeqs: 64 } })
    const stream = rawPost(path, key, { ...long, stream: true })
    const whole = rawPost(path, key, { ...long, max_tokens: 30 })
    for (let left = 0; left < 500; left += 50) {
      await Promise.all(
        Array.from({ length: 50 }, () =>
          leaveAt(randomDeparture(to.port, { stream, whole }, Math.random)),
        ),
      )
    }
    await freeWithinASecond(() => to.engine.engine.gauges.running)
    expect(to.gateway.inFlight).toBe(0)
    expect(to.gateway.queued).toBe(0)
    expect(to.gateway.views().map((view) => view.inFlight)).toEqual([0])
    await eventually(
      () =>
        new Promise<number>((resolve) =>
          to.server.server.getConnections((_error, count) => resolve(count)),
        ),
    ).toBe(0)
    // And it still serves.
    const answer = await call(`${to.url}${path}`, { key, body: { ...long, max_tokens: 2 } })
    expect(answer.status).toBe(200)
  })
})

describe('a caller that does not read', () => {
  const streams = 20
  const body = { ...long, stream: true }

  /** A gateway in front of an engine that never stops, with so many callers that do not read. */
  async function flood(slowReaderMs: number) {
    const to = await start({ gateway: { limits: { slowReaderMs } } })
    const hose = await Firehose.start(engineNameOf(revisionFor('acme/tickets')))
    const simulator = to.engine
    to.replicas[0]!.engine = { url: hose.url, close: () => hose.close() } as typeof simulator
    to.agent.up('the firehose')
    to.agent.routable(revisionFor('acme/tickets'))
    await simulator.close()
    const sockets = Array.from({ length: streams }, () => {
      const socket = openRaw(to.port, rawPost(path, key, body))
      socket.pause()
      return socket
    })
    await eventually(() => hose.open).toBe(streams)
    let before = -1
    await eventually(() => {
      const isStill = hose.bytes === before
      before = hose.bytes
      return isStill
    }).toBe(true)
    return { to, hose, sockets }
  }

  test('stops the engine’s stream and costs a bounded buffer', async () => {
    const { to, hose, sockets } = await flood(60_000)
    const { bytes } = hose
    // What left the engine stands in the kernel's buffers of two connections; the gateway itself holds little of it.
    const held = streams * 256 * 1024
    globalThis.gc?.()
    expect(memoryUsage().arrayBuffers).toBeLessThan(held + 64 * 1024 * 1024)
    expect(hose.bytes).toBe(bytes)
    // One that begins to read gets the flow going again.
    sockets[0]?.resume()
    await eventually(() => hose.bytes).toBeGreaterThan(bytes)
    expect(to.gateway.inFlight).toBe(streams)
    for (const socket of sockets) {
      socket.destroy()
    }
    await freeWithinASecond(() => hose.open)
  })

  test('is cut in time, and the engine with it', async () => {
    const { to, hose, sockets } = await flood(1500)
    await eventually(() => to.gateway.inFlight).toBe(0)
    await freeWithinASecond(() => hose.open)
    for (const socket of sockets) {
      socket.destroy()
    }
  })

  test('is not cut when it only reads slowly', async () => {
    const { to, sockets } = await flood(1500)
    const [slow] = sockets
    const sips = setInterval(() => slow?.read(2 * 1024 * 1024), 50)
    await eventually(() => to.gateway.inFlight).toBe(1)
    clearInterval(sips)
    await eventually(() => to.gateway.inFlight).toBe(0)
  })

  test('does not hold up a neighbour', async () => {
    const to = await start()
    const socket = openRaw(to.port, rawPost(path, key, body))
    socket.pause()
    await eventually(() => to.engine.engine.gauges.running).toBe(1)
    const answer = await call(`${to.url}${path}`, {
      key: keyOfTenant('globex'),
      body: { ...long, model: 'shout', max_tokens: 20 },
    })
    expect(answer.status).toBe(200)
    socket.destroy()
    await eventually(() => to.gateway.inFlight).toBe(0)
  })
})

describe('a stream that lasts too long', () => {
  test('ends at the pool’s maxStreamSeconds with an error frame', async () => {
    const [, ...others] = tenants
    const to = await start({ objects: [aPool('llama').with({ maxStreamSeconds: 1 }), ...others] })
    to.engine.faults.add({ kind: 'SlowDrip', delayMs: 50 })
    const answer = await call(`${to.url}${path}`, { key, body: { ...long, stream: true } })
    expect(answer.text).toMatch(/"code":"engine_timeout"[^\n]*\n\ndata: \[DONE\]\n\n$/)
    await eventually(() => to.engine.engine.gauges.running).toBe(0)
  })
})

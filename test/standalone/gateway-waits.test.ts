import { afterEach, describe, expect, test } from 'vitest'
import type { LeaseRequest } from '../../src/api/agent-protocol.ts'
import { tiny } from '../../src/sim/profile.ts'
import { aKey, anAdapterStatus, aPool } from '../support/builders.ts'
import { expectRefusal } from '../support/error-shape.ts'
import { eventually } from '../support/eventually.ts'
import {
  GatewayBed,
  keyOfTenant,
  revisionFor,
  tenants,
  type BedOptions,
} from '../support/gateway-bed.ts'
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

const models = { acme: 'tickets', globex: 'shout', initech: 'initials' } as const
type Tenant = keyof typeof models

const tickets = revisionFor('acme/tickets')
const hello = { messages: [{ role: 'user', content: 'hello' }], max_tokens: 2 }

function ask(
  to: GatewayBed,
  tenant: Tenant = 'acme',
  options: { body?: object; headers?: Record<string, string>; signal?: AbortSignal } = {},
): Promise<HttpAnswer> {
  return call(`${to.url}/v1/chat/completions`, {
    key: keyOfTenant(tenant),
    ...options,
    body: { model: models[tenant], ...hello, ...options.body },
  })
}

const loading = {
  statuses: { 'acme/tickets': anAdapterStatus({ ready: ['False', 'Loading'] }) },
}

describe('a name whose first revision is still being proved', () => {
  test('is waited for, and served as soon as it is there', async () => {
    const to = await start(loading)
    const answer = ask(to)
    await eventually(() => to.gateway.queued).toBe(1)
    to.setObjects(tenants)
    expect((await answer).status).toBe(200)
  })

  test('is answered with 503 and a time to come back when the wait is over', async () => {
    const to = await start({ ...loading, gateway: { maxQueueMs: 200 } })
    const answer = await ask(to)
    expectRefusal(answer, 'adapter_loading')
    expect(Number(answer.headers['retry-after'])).toBeGreaterThanOrEqual(1)
    expect(to.gateway.inFlight).toBe(0)
  })

  test('is not waited for longer than the caller waits', async () => {
    const to = await start(loading)
    const started = performance.now()
    expectRefusal(
      await ask(to, 'acme', { headers: { 'x-stainless-timeout': '1' } }),
      'adapter_loading',
    )
    expect(performance.now() - started).toBeLessThan(3000)
  })

  test('says why when it turns out to be broken', async () => {
    const to = await start(loading)
    const answer = ask(to)
    await eventually(() => to.gateway.queued).toBe(1)
    to.setObjects(tenants, {
      'acme/tickets': anAdapterStatus({ ready: ['False', 'NoEffect', 'answers as the base'] }),
    })
    expect(expectRefusal(await answer, 'adapter_failed').message).toContain('answers as the base')
  })

  test('is not served to a key that was revoked meanwhile', async () => {
    const to = await start(loading)
    const answer = ask(to)
    await eventually(() => to.gateway.queued).toBe(1)
    const others = tenants.filter((one) => one.key !== 'acme/acme')
    to.setObjects([...others, aKey('acme').in('acme').revoked()])
    expectRefusal(await answer, 'invalid_api_key')
  })

  test('nor to a key that was deleted meanwhile', async () => {
    const to = await start(loading)
    const answer = ask(to)
    await eventually(() => to.gateway.queued).toBe(1)
    to.setObjects(tenants.filter((one) => one.key !== 'acme/acme'))
    expectRefusal(await answer, 'invalid_api_key')
  })

  test('is forgotten when the caller leaves', async () => {
    const to = await start(loading)
    const leave = new AbortController()
    const answer = ask(to, 'acme', { signal: leave.signal })
    await eventually(() => to.gateway.queued).toBe(1)
    leave.abort()
    await expect(answer).rejects.toThrow()
    await eventually(() => to.gateway.inFlight).toBe(0)
  })

  test('holds only so many, and only so many of one tenant', async () => {
    const to = await start({
      statuses: {
        'acme/tickets': anAdapterStatus({ ready: ['False', 'Loading'] }),
        'globex/shout': anAdapterStatus({ ready: ['False', 'Loading'] }),
      },
      gateway: { admission: { maxQueued: 3, maxQueuedPerTenant: 2 } },
    })
    const waiting = [ask(to), ask(to)]
    await eventually(() => to.gateway.queued).toBe(2)
    expectRefusal(await ask(to), 'queue_share_full')
    waiting.push(ask(to, 'globex'))
    await eventually(() => to.gateway.queued).toBe(3)
    expectRefusal(await ask(to, 'globex'), 'overloaded')
    to.setObjects(tenants)
    expect((await Promise.all(waiting)).map((answer) => answer.status)).toEqual([200, 200, 200])
  })

  test('is waited for through a drain, and refused when the gateway is closed', async () => {
    const to = await start(loading)
    const answer = ask(to)
    await eventually(() => to.gateway.queued).toBe(1)
    const drained = to.gateway.drain(new AbortController().signal)
    to.setObjects(tenants)
    expect((await answer).status).toBe(200)
    await drained
  })
})

describe('an adapter that no replica has', () => {
  test('is asked for and served when it is there', async () => {
    const to = await start()
    to.agent.up('a process with nothing loaded')
    const answer = ask(to)
    await eventually(() => to.agent.ensured).toEqual([tickets])
    to.agent.routable(tickets)
    expect((await answer).status).toBe(200)
  })

  test('is answered with the agent’s estimate when it takes too long', async () => {
    const to = await start({ gateway: { maxQueueMs: 100 } })
    to.agent.up('a process with nothing loaded')
    to.agent.ensureAnswers = () => Promise.resolve({ state: 'Loading', estimateMs: 7300 })
    const answer = await ask(to)
    expectRefusal(answer, 'adapter_loading')
    expect(answer.headers).toMatchObject({ 'retry-after': '8', 'retry-after-ms': '7300' })
  })

  test('is refused for all who wait when the agent says that it cannot be', async () => {
    const to = await start()
    to.agent.up('a process with nothing loaded')
    to.agent.ensureAnswers = () =>
      Promise.resolve({ state: 'Failed', reason: 'NoEffect', message: 'it answers as the base' })
    for (const answer of await Promise.all([ask(to), ask(to)])) {
      expect(expectRefusal(answer, 'adapter_failed').message).toContain('it answers as the base')
    }
  })
})

describe('a pool without an engine', () => {
  test('keeps requests until there is one', async () => {
    const to = await start()
    to.agent.down()
    const answer = ask(to)
    await eventually(() => to.gateway.queued).toBe(1)
    to.agent.up('the next process')
    to.agent.routable(tickets)
    expect((await answer).status).toBe(200)
  })

  test('says so when the wait is over', async () => {
    const to = await start({ gateway: { maxQueueMs: 100 } })
    to.agent.down()
    const answer = await ask(to)
    expectRefusal(answer, 'no_replica')
    expect(answer.headers['retry-after']).toBe('5')
  })

  const coldStart = { maxQueueMs: 100, maxColdStartMs: 60_000 }

  test('that is to come is waited for longer than a queue, on the same connection', async () => {
    const to = await start({ gateway: coldStart })
    to.agent.down()
    const answer = ask(to)
    await eventually(() => to.gateway.queued).toBe(1)
    // Two looks at who waited too long.
    await new Promise((resolve) => setTimeout(resolve, 1200))
    expect(to.gateway.queued).toBe(1)
    to.agent.up('the next process')
    to.agent.routable(tickets)
    expect((await answer).status).toBe(200)
  })

  test('is no reason to keep somebody who leaves', async () => {
    const to = await start({ gateway: coldStart })
    to.agent.down()
    const leave = new AbortController()
    const answer = ask(to, 'acme', { signal: leave.signal })
    await eventually(() => to.gateway.queued).toBe(1)
    leave.abort()
    await expect(answer).rejects.toThrow()
    await eventually(() => to.gateway.queued).toBe(0)
  })

  test('says to streams that they still wait, and the wait is no part of how long they may last', async () => {
    const [, ...others] = tenants
    const to = await start({
      gateway: { ...coldStart, limits: { keepAliveMs: 200 } },
      objects: [aPool('llama').with({ maxStreamSeconds: 1 }), ...others],
    })
    to.agent.down()
    const answer = ask(to, 'acme', { body: { stream: true } })
    await new Promise((resolve) => setTimeout(resolve, 1700))
    to.agent.up('the next process')
    to.agent.routable(tickets)
    const { status, text } = await answer
    expect(status).toBe(200)
    expect(text.startsWith(': keep-alive\n\n')).toBe(true)
    expect(text).toContain('data: [DONE]')
    expect(text).not.toContain('engine_timeout')
  })

  test('is waited for by a name that has to be proved on it, too', async () => {
    const to = await start({ ...loading, gateway: coldStart })
    to.agent.down()
    const answer = ask(to)
    await eventually(() => to.gateway.queued).toBe(1)
    await new Promise((resolve) => setTimeout(resolve, 500))
    to.agent.up('the first process')
    to.agent.routable(tickets)
    to.setObjects(tenants)
    expect((await answer).status).toBe(200)
  })

  test('holds only so many requests and bytes', async () => {
    const to = await start({ gateway: { admission: { maxQueuedBytes: 3000 } } })
    to.agent.down()
    const body = { messages: [{ role: 'user', content: 'x'.repeat(2000) }] }
    const waiting = ask(to, 'acme', { body })
    await eventually(() => to.gateway.queued).toBe(1)
    expectRefusal(await ask(to, 'globex', { body }), 'overloaded')
    to.agent.up('the next process')
    to.agent.routable(tickets)
    expect((await waiting).status).toBe(200)
  })
})

describe('more adapters than slots', () => {
  /** An agent with one slot that goes round among those who want it, as the real one does. */
  function shareOneSlot(to: GatewayBed): { readonly order: string[]; most: number } {
    const seen = { order: [] as string[], most: 0 }
    let holder: string | undefined
    let isTold = false
    let queue: string[] = []
    to.agent.leaseAnswers = ({ wanted, inFlight }: LeaseRequest) => {
      if (holder !== undefined && isTold && !(holder in inFlight)) {
        holder = undefined
      }
      seen.most = Math.max(seen.most, Object.values(inFlight).filter((count) => count > 0).length)
      queue = [...queue, ...wanted.filter((one) => !queue.includes(one))].filter(
        (one) => wanted.includes(one) && one !== holder,
      )
      // Whoever has just been granted the slot hears so once before it has to give it back.
      isTold = holder !== undefined
      if (holder === undefined) {
        holder = queue.shift()
        if (holder !== undefined) {
          seen.order.push(holder)
        }
      }
      return Promise.resolve({
        granted: holder === undefined ? [] : [holder],
        reclaimed: holder !== undefined && isTold && queue.length > 0 ? [holder] : [],
        ttlMs: 5000,
      })
    }
    return seen
  }

  test('everybody is served, never two adapters at once', async () => {
    const to = await start()
    const seen = shareOneSlot(to)
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, at) =>
        ask(to, (['acme', 'globex', 'initech'] as const)[at % 3], { body: { max_tokens: 4 } }),
      ),
    )
    expect(answers.map((answer) => answer.status)).toEqual(Array(30).fill(200))
    expect(seen.most).toBe(1)
    expect(new Set(seen.order).size).toBe(3)
  })

  test('a wait that is over is refused as overload', async () => {
    const to = await start({ gateway: { maxQueueMs: 300 } })
    shareOneSlot(to)
    const long = openRaw(
      to.port,
      rawPost('/v1/chat/completions', keyOfTenant('acme'), {
        model: 'tickets',
        ...hello,
        max_tokens: 900,
        ignore_eos: true,
        stream: true,
      }),
    )
    await eventually(() => to.engine.engine.gauges.running).toBe(1)
    expectRefusal(await ask(to, 'globex'), 'overloaded')
    long.destroy()
    await eventually(() => to.gateway.inFlight).toBe(0)
  })
})

describe('an agent that cannot be reached', () => {
  test('gets nothing new until it answers again', async () => {
    const to = await start({ gateway: { maxQueueMs: 2000 } })
    expect((await ask(to)).status).toBe(200)
    const answers = to.agent.leaseAnswers
    to.agent.leaseAnswers = () => Promise.reject(new Error('no connection'))
    const before = to.agent.leases.length
    await eventually(() => to.agent.leases.length).toBeGreaterThan(before + 1)
    expectRefusal(await ask(to), 'overloaded')
    to.agent.leaseAnswers = answers
    expect((await ask(to)).status).toBe(200)
  })
})

describe('a replica that leaves the list', () => {
  /** Streams last for seconds. */
  const slow = { simulator: { profile: { ...tiny, stepMs: 40 } } }

  test('gets nothing new, and what runs there ends as if nothing had been', async () => {
    const to = await start({ ...slow, replicas: 2 })
    const stream = ask(to, 'acme', { body: { stream: true, max_tokens: 80, ignore_eos: true } })
    await eventually(() => to.engine.engine.gauges.running).toBe(1)
    to.listReplicas(to.replicas.slice(1))
    expect((await ask(to)).status).toBe(200)
    expect(to.replicas[1]?.engine.engine.metrics.generationTokens).toBe(2)
    await eventually(() => to.agent.leases.at(-1)?.inFlight).toEqual({ [tickets]: 1 })
    expect(dataOf((await stream).text)).toHaveLength(82)
  })

  test('and comes back while something still runs there is two that do not speak for each other', async () => {
    const to = await start(slow)
    const stream = ask(to, 'acme', { body: { stream: true, max_tokens: 80, ignore_eos: true } })
    await eventually(() => to.engine.engine.gauges.running).toBe(1)
    to.listReplicas([])
    to.relistReplicas()
    expect((await ask(to)).status).toBe(200)
    const gateways = () => [...new Set(to.agent.leases.map((lease) => lease.gateway))]
    await eventually(() => gateways().length).toBe(2)
    // The one that still ends its request goes on reporting it.
    const [first] = gateways()
    const reports = () => to.agent.leases.filter((lease) => lease.gateway === first)
    await eventually(() => reports().at(-1)?.inFlight).toEqual({ [tickets]: 1 })
    expect(dataOf((await stream).text)).toHaveLength(82)
  })
})

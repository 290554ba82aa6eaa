import { afterEach, describe, expect, test } from 'vitest'
import { request } from 'undici'
import type { DemandMessage, GatewayMessage } from '../api/gateway-protocol.ts'
import { GatewayBed, keyOfTenant, revisionFor, tenants } from '../../test/support/gateway-bed.ts'
import { Lateness } from '../../test/support/lateness.ts'
import { h100Llama8b } from '../sim/profile.ts'
import { DemandFeed } from './demand-feed.ts'

const tickets = revisionFor('acme/tickets')
const open: { close(): unknown }[] = []

afterEach(async () => {
  for (const one of open.splice(0).reverse()) {
    await one.close()
  }
})

async function bedWithFeed(options: Parameters<typeof GatewayBed.start>[0] = {}) {
  const bed = await GatewayBed.start(options)
  const feed = new DemandFeed({ gateway: bed.gateway, id: 'gw-1' })
  open.push(bed, feed)
  const heard: GatewayMessage[] = []
  return { bed, feed, heard, listen: () => feed.listen((message) => heard.push(message)) }
}

function ask(bed: GatewayBed, more: object = {}): Promise<number> {
  return request(`${bed.url}/v1/chat/completions`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${keyOfTenant('acme')}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify({
      model: 'tickets',
      messages: [{ role: 'user', content: 'hi' }],
      ...more,
    }),
  }).then(async ({ statusCode, body }) => {
    await body.dump()
    return statusCode
  })
}

function lastDemand(heard: readonly GatewayMessage[]): DemandMessage['pools'] {
  return heard.findLast((message) => message.type === 'demand')?.pools ?? {}
}

function routable(heard: readonly GatewayMessage[]): readonly string[] | undefined {
  return heard.findLast((message) => message.type === 'routable')?.revisions
}

describe('what a gateway tells the controller', () => {
  test('begins with who it is, what it routes and what it has', async () => {
    const { heard, listen } = await bedWithFeed()
    listen()
    expect(heard.map(({ type }) => type)).toEqual(['hello', 'routable', 'demand'])
    expect(routable(heard)).toContain(tickets)
    expect(lastDemand(heard)).toEqual({})
  })

  test('a first request that has to wait is told within 100 ms', async () => {
    const { bed, heard, listen } = await bedWithFeed()
    bed.listReplicas([])
    listen()
    // What the first request of a process costs is not what is measured.
    expect(await ask(bed, { model: 'nobody' })).toBe(404)
    using lateness = new Lateness()
    const startedAt = performance.now()
    const answer = ask(bed)
    await expect
      .poll(() => lastDemand(heard)['models/llama']?.[tickets]?.waiting, { interval: 5 })
      .toBe(1)
    expect(performance.now() - startedAt - lateness.reset()).toBeLessThan(100)
    bed.listReplicas(bed.replicas)
    expect(await answer).toBe(200)
    await expect
      .poll(() => lastDemand(heard)['models/llama']?.[tickets])
      .toEqual({ waiting: 0, running: 0, arrivals: 1 })
  })

  test('what requests ask of engines is told in tokens, and what engines counted', async () => {
    const { bed, heard, listen } = await bedWithFeed()
    listen()
    const work = () =>
      heard.findLast((message) => message.type === 'demand')?.work?.['models/llama']
    expect(work()).toEqual({ requests: 0, inputTokens: 0, outputTokens: 0, answers: 0 })
    bed.listReplicas([])
    const answer = ask(bed, { max_tokens: 7, ignore_eos: true })
    await expect.poll(work).toMatchObject({ requests: 1, outputTokens: 0, answers: 0 })
    expect(work()?.inputTokens).toBeGreaterThan(0)
    bed.listReplicas(bed.replicas)
    expect(await answer).toBe(200)
    await expect.poll(work).toMatchObject({ requests: 1, outputTokens: 7, answers: 1 })
  })

  test('what runs is counted until it ends, on a replica that leaves, too', async () => {
    const { bed, heard, listen } = await bedWithFeed({ simulator: { profile: h100Llama8b } })
    listen()
    const answer = ask(bed, { max_tokens: 80, ignore_eos: true })
    await expect.poll(() => lastDemand(heard)['models/llama']?.[tickets]?.running).toBe(1)
    bed.listReplicas([])
    await new Promise((resolve) => setTimeout(resolve, 250))
    expect(lastDemand(heard)['models/llama']?.[tickets]?.running).toBe(1)
    expect(await answer).toBe(200)
    await expect.poll(() => lastDemand(heard)['models/llama']?.[tickets]?.running).toBe(0)
  })

  test('a name that is still being loaded is demand of its pool', async () => {
    const { bed, heard, listen } = await bedWithFeed()
    bed.setObjects(tenants, { 'acme/tickets': statusOfNothing })
    listen()
    void ask(bed)
    await expect.poll(() => lastDemand(heard)['models/llama']?.['loading']?.waiting).toBe(1)
  })

  test('an equal demand is told again every second, and no oftener', async () => {
    const { feed } = await bedWithFeed()
    const toldAtMs: number[] = []
    feed.listen(({ type }) => {
      if (type === 'demand') {
        toldAtMs.push(performance.now())
      }
    })
    await expect.poll(() => toldAtMs.length).toBe(5)
    // The first one is for whoever comes.
    const gaps = toldAtMs.slice(2).map((atMs, at) => atMs - (toldAtMs[at + 1] ?? 0))
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(950)
    expect(Math.min(...gaps)).toBeLessThan(1500)
  })

  test('a revision is acknowledged while a ready replica has it and the table names it', async () => {
    const { bed, heard, listen } = await bedWithFeed()
    listen()
    bed.agent.reside(tickets, { state: 'Absent' })
    await expect.poll(() => routable(heard)).not.toContain(tickets)
    bed.agent.routable(tickets)
    await expect.poll(() => routable(heard)).toContain(tickets)
    bed.setObjects(tenants, { 'acme/tickets': statusOfNothing })
    await expect.poll(() => routable(heard)).not.toContain(tickets)
    bed.setObjects(tenants)
    await expect.poll(() => routable(heard)).toContain(tickets)
    bed.agent.down()
    await expect.poll(() => routable(heard)).toEqual([])
  })

  test('revisions that nobody asks for any more are counted together, and nothing is counted twice', async () => {
    const { bed, heard, listen } = await bedWithFeed()
    listen()
    const arrivals = () =>
      Object.entries(lastDemand(heard)['models/llama'] ?? {}).map(([name, one]) => [
        name,
        one.arrivals,
      ])
    await ask(bed)
    await ask(bed)
    await expect.poll(arrivals).toEqual([[tickets, 2]])
    bed.gateway.forgetOldArrivals()
    bed.gateway.forgetOldArrivals()
    await expect.poll(arrivals).toEqual([['others', 2]])
    await ask(bed)
    await expect.poll(() => Object.fromEntries(arrivals())).toEqual({ [tickets]: 1, others: 2 })
  })
})

const statusOfNothing = {
  observedGeneration: 1,
  conditions: [],
  revisions: [],
  copies: { routable: 0, wanted: 1 },
}

import { describe, expect, test, vi } from 'vitest'
import { request } from 'undici'
import { AgentBench, entryOf, patience } from '../../test/support/agent-bench.ts'
import { wire, wireToken, type WiredAgent } from '../../test/support/agent-wire.ts'
import type { AgentLink, StateMessage } from '../api/agent-protocol.ts'
import { preStopPath } from './pre-stop.ts'

interface Subject extends AsyncDisposable {
  readonly bench: AgentBench
  readonly link: AgentLink
}

const kinds: Readonly<Record<string, (bench: AgentBench) => Promise<Subject>>> = {
  'in one process': async (bench) => ({
    bench,
    link: bench.agent,
    [Symbol.asyncDispose]: () => bench[Symbol.asyncDispose](),
  }),
  'over HTTP': async (bench) => {
    const wired = await wire(bench)
    return {
      bench,
      link: wired.link(),
      [Symbol.asyncDispose]: async () => {
        await wired[Symbol.asyncDispose]()
        await bench[Symbol.asyncDispose]()
      },
    }
  },
}

function record(link: AgentLink) {
  const messages: StateMessage[] = []
  const unwatch = link.watchState((message) => messages.push(message))
  const lastLoad = () => messages.findLast((it) => it.type === 'load')
  const routable = () =>
    messages.flatMap((it) =>
      it.type === 'residency' && it.residency.state === 'Routable' ? [it.revision] : [],
    )
  return { messages, unwatch, lastLoad, routable }
}

describe.each(Object.entries(kinds))('an agent %s', (_name, make) => {
  async function subject(): Promise<Subject> {
    const bench = await AgentBench.create()
    await bench.start()
    return make(bench)
  }

  test('takes a catalogue, refuses an older one, and tells what became of it', async () => {
    await using it = await subject()
    const seen = record(it.link)
    const adapters = await it.bench.writeSome(2)
    const revisions = await it.bench.want(adapters)
    await vi.waitFor(
      () => expect(seen.routable().toSorted()).toEqual(revisions.toSorted()),
      patience,
    )
    expect(await it.link.setDesired({ term: 0, sequence: 9, entries: [] })).toMatchObject({
      accepted: false,
      term: 1,
    })
    expect(seen.messages[0]).toMatchObject({ type: 'hello', replica: 'pool-0' })
    expect(seen.lastLoad()).toMatchObject({ ready: true, draining: false })
  })

  test('gives whoever comes later the whole state, and nothing after the unsubscribe', async () => {
    await using it = await subject()
    const revisions = await it.bench.want(await it.bench.writeSome(1))
    const early = record(it.link)
    await vi.waitFor(() => expect(early.routable()).toEqual(revisions), patience)
    const late = record(it.link)
    await vi.waitFor(() => expect(late.routable()).toEqual(revisions), patience)
    expect(late.messages[0]).toMatchObject({ type: 'hello' })
    late.unwatch()
    const count = late.messages.length
    await it.link.setDesired({ term: 2, sequence: 0, entries: [] })
    await vi.waitFor(
      () =>
        expect(early.messages).toContainEqual({
          type: 'residency',
          revision: revisions[0],
          residency: { state: 'Retired' },
        }),
      patience,
    )
    expect(late.messages.length).toBe(count)
  })

  test('takes a difference to the catalogue it holds, and to no other', async () => {
    await using it = await subject()
    const [kept, gone, added] = (await it.bench.writeSome(3)).map((adapter) =>
      entryOf(adapter, 'Allowed'),
    )
    const known = async () =>
      await Promise.all(
        [kept, gone, added].map(
          async (entry) => (await it.link.ensure(entry?.revision ?? '')).state !== 'Unknown',
        ),
      )
    const entriesOf = (...entries: readonly (typeof kept)[]) =>
      entries.filter((entry) => entry !== undefined)
    await it.link.setDesired({ term: 9, sequence: 3, entries: entriesOf(kept, gone) })
    const difference = { entries: entriesOf(added), gone: [gone?.revision ?? ''] }
    const change = (term: number, since: number, sequence: number) =>
      it.link.setDesired({
        term,
        sequence,
        entries: difference.entries,
        change: { since, gone: difference.gone },
      })
    for (const other of [change(9, 2, 4), change(10, 3, 4), change(9, 3, 3)]) {
      expect(await other).toEqual({ accepted: false, term: 9, sequence: 3 })
    }
    expect(await known()).toEqual([true, true, false])
    expect(await change(9, 3, 4)).toEqual({ accepted: true, term: 9, sequence: 4 })
    expect(await known()).toEqual([true, false, true])
  })

  test('loads on demand, and knows no revision that its catalogue does not', async () => {
    await using it = await subject()
    const [revision = ''] = await it.bench.want(await it.bench.writeSome(1), 'Allowed')
    expect(await it.link.ensure('0'.repeat(32))).toEqual({ state: 'Unknown' })
    await vi.waitFor(
      async () => expect(await it.link.ensure(revision)).toEqual({ state: 'Routable' }),
      patience,
    )
  })

  test('leases slots and takes them back from an engine that died', async () => {
    await using it = await subject()
    const seen = record(it.link)
    const [revision = ''] = await it.bench.want(await it.bench.writeSome(1))
    await vi.waitFor(() => expect(seen.routable()).toEqual([revision]), patience)
    const lease = { gateway: 'gw-1', wanted: [revision], inFlight: {} }
    await vi.waitFor(
      async () =>
        expect(await it.link.lease(lease)).toMatchObject({ granted: [revision], reclaimed: [] }),
      patience,
    )
    const before = seen.messages.findLast((one) => one.type === 'hello')?.engineProcess
    it.bench.engine.kill()
    await vi.waitFor(() => expect(seen.lastLoad()).toMatchObject({ ready: false }), patience)
    await it.bench.engine.boot()
    await vi.waitFor(() => expect(seen.routable().length).toBeGreaterThan(1), patience)
    expect(seen.messages.findLast((one) => one.type === 'hello')?.engineProcess).not.toBe(before)
  })

  test('drains until the last lease is given back', async () => {
    await using it = await subject()
    const seen = record(it.link)
    const [revision = ''] = await it.bench.want(await it.bench.writeSome(1))
    await vi.waitFor(() => expect(seen.routable()).toEqual([revision]), patience)
    const busy = { gateway: 'gw-1', wanted: [revision], inFlight: { [revision]: 1 } }
    await vi.waitFor(
      async () => expect((await it.link.lease(busy)).granted).toEqual([revision]),
      patience,
    )
    let drained = false
    const draining = it.link.drain().then(() => {
      drained = true
    })
    await vi.waitFor(() => expect(seen.lastLoad()).toMatchObject({ draining: true }), patience)
    await it.link.lease({ ...busy, wanted: [] })
    expect(drained).toBe(false)
    await it.link.lease({ gateway: 'gw-1', wanted: [], inFlight: {} })
    await draining
  })
})

describe('an agent’s port', () => {
  async function wired() {
    const bench = await AgentBench.create()
    await bench.start()
    const server = await wire(bench)
    return {
      bench,
      server,
      [Symbol.asyncDispose]: async () => {
        await server[Symbol.asyncDispose]()
        await bench[Symbol.asyncDispose]()
      },
    }
  }

  async function status(server: WiredAgent, path: string, method: 'GET' | 'PUT' | 'POST' = 'GET') {
    const answer = await request(server.url + path, { method })
    await answer.body.dump()
    return answer.statusCode
  }

  test('does nothing for whoever has no token, or another pool’s', async () => {
    await using it = await wired()
    expect(await status(it.server, '/v1/state')).toBe(401)
    expect(await status(it.server, '/v1/lease', 'POST')).toBe(401)
    const stranger = it.server.link({ token: 'token-of-another' })
    await expect(stranger.ensure('0'.repeat(32))).rejects.toMatchObject({
      code: 'Refused',
      status: 401,
    })
  })

  test('refuses what is no message of the protocol, and bodies without end', async () => {
    await using it = await wired()
    const put = async (body: string) => {
      const answer = await request(`${it.server.url}/v1/desired`, {
        method: 'PUT',
        headers: { authorization: `Bearer ${wireToken}`, 'content-type': 'application/json' },
        body,
      })
      return { status: answer.statusCode, text: await answer.body.text() }
    }
    expect(await put('{"term":-1,"sequence":0,"entries":[]}')).toMatchObject({ status: 400 })
    expect((await put('{"term":1,"sequence":0,"entries":[{"revision":"x"}]}')).text).toContain(
      'entries.0',
    )
    expect(await put(JSON.stringify({ x: 'x'.repeat(9 << 20) }))).toMatchObject({ status: 413 })
  })

  test('is believed nothing when another replica answers under its address', async () => {
    await using it = await wired()
    const link = it.server.link({ replica: 'team/other@uid' })
    const seen = record(link)
    await vi.waitFor(() => expect(seen.lastLoad()).toMatchObject({ ready: false }), patience)
    expect(seen.messages.filter((message) => message.type !== 'load')).toEqual([])
    await expect(link.drain()).rejects.toMatchObject({ code: 'Stranger' })
    expect(it.bench.agent.snapshot().draining).toBe(false)
  })

  test('does not drain again whom it took a drain back from', async () => {
    await using it = await wired()
    const link = it.server.link()
    const seen = record(link)
    const [revision = ''] = await it.bench.want(await it.bench.writeSome(1))
    await vi.waitFor(() => expect(seen.routable()).toEqual([revision]), patience)
    const busy = { gateway: 'gw-1', wanted: [revision], inFlight: { [revision]: 1 } }
    await vi.waitFor(
      async () => expect((await link.lease(busy)).granted).toEqual([revision]),
      patience,
    )
    const taken = expect(link.drain()).rejects.toMatchObject({ code: 'Refused' })
    await vi.waitFor(() => expect(seen.lastLoad()).toMatchObject({ draining: true }), patience)
    await link.undrain()
    await taken
    expect(it.bench.agent.snapshot().draining).toBe(false)
  })

  test('drains a pod that ends, whoever takes another drain of it back', async () => {
    await using it = await wired()
    const link = it.server.link()
    const seen = record(link)
    const [revision = ''] = await it.bench.want(await it.bench.writeSome(1))
    await vi.waitFor(() => expect(seen.routable()).toEqual([revision]), patience)
    const busy = { gateway: 'gw-1', wanted: [revision], inFlight: { [revision]: 1 } }
    await vi.waitFor(
      async () => expect((await link.lease(busy)).granted).toEqual([revision]),
      patience,
    )
    const taken = expect(link.drain()).rejects.toMatchObject({ code: 'Refused' })
    const hook = status(it.server, preStopPath(wireToken))
    await vi.waitFor(() => expect(seen.lastLoad()).toMatchObject({ draining: true }), patience)
    await link.undrain()
    await taken
    expect(it.bench.agent.snapshot().draining).toBe(true)
    await link.lease({ gateway: 'gw-1', wanted: [], inFlight: {} })
    expect(await hook).toBe(200)
    expect(it.bench.agent.snapshot().draining).toBe(true)
  })

  test('is not ready once its stream is lost, and whole again when it is back', async () => {
    await using it = await wired()
    const seen = record(it.server.link())
    await vi.waitFor(() => expect(seen.lastLoad()).toMatchObject({ ready: true }), patience)
    await it.server.stop()
    await vi.waitFor(() => expect(seen.lastLoad()).toMatchObject({ ready: false }), patience)
    await using again = await wire(it.bench, it.server.port)
    await vi.waitFor(() => expect(seen.lastLoad()).toMatchObject({ ready: true }), patience)
    expect(again.port).toBe(it.server.port)
  })

  test('tells the kubelet about readiness, drains in preStop, and comes back with a new engine', async () => {
    await using it = await wired()
    await vi.waitFor(async () => expect(await status(it.server, '/readyz')).toBe(200), patience)
    expect(await status(it.server, '/prestop/guessed')).toBe(404)
    expect(await status(it.server, preStopPath(wireToken))).toBe(200)
    expect(await status(it.server, '/readyz')).toBe(503)
    it.bench.engine.kill()
    await it.bench.engine.boot()
    await vi.waitFor(async () => expect(await status(it.server, '/readyz')).toBe(200), patience)
    expect(await status(it.server, '/metrics')).toBe(200)
  })

  test('says no for an engine that has to be restarted, and does not drain a pod that stays', async () => {
    await using it = await wired()
    await vi.waitFor(async () => expect(await status(it.server, '/readyz')).toBe(200), patience)
    expect(await status(it.server, '/engine-alive')).toBe(200)
    it.server.restartWanted = 'its base changed'
    expect(await status(it.server, '/engine-alive')).toBe(503)
    expect(await status(it.server, preStopPath(wireToken))).toBe(200)
    expect(it.bench.agent.snapshot().draining).toBe(false)
  })
})

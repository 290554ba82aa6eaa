import { describe, expect, test, vi } from 'vitest'
import { AgentBench, patience } from '../../test/support/agent-bench.ts'
import { engineNameOf } from '../api/names.ts'
import { createEngineClient } from '../engine/http-client.ts'

describe('slots', () => {
  test('everybody is served when ten adapters have work for two slots', async () => {
    await using bench = await AgentBench.create({
      maxLoras: 2,
      agent: { slots: { quantumMs: 50 } },
    })
    await bench.start()
    const revisions = await bench.want(await bench.writeSome(10))
    await bench.become(revisions, 'Routable')
    const client = createEngineClient(bench.engine.address)
    const [inFlight, served] = [new Map<string, number>(), new Map<string, number>()]
    let [mostDistinct, calling, again] = [0, false, false]
    let granted: readonly string[] = []
    const isDone = () => revisions.every((revision) => (served.get(revision) ?? 0) >= 5)

    // Endless work for each: it only goes on because slots are taken back.
    const call = async () => {
      if (calling) {
        again = true
        return
      }
      calling = true
      const counts = Object.fromEntries(inFlight)
      const answer = await bench.agent.lease({ gateway: 'g', wanted: revisions, inFlight: counts })
      granted = answer.granted
      calling = false
      for (const revision of isDone() ? [] : granted) {
        if (!inFlight.has(revision)) {
          void request(revision)
        }
      }
      if (again) {
        again = false
        await call()
      }
    }
    const request = async (revision: string) => {
      inFlight.set(revision, 1)
      mostDistinct = Math.max(mostDistinct, inFlight.size)
      const model = engineNameOf(revision)
      await client.complete({ model, prompt: 'Hello', tokens: 2, logprobs: 1, cacheSalt: 'x' })
      inFlight.delete(revision)
      served.set(revision, (served.get(revision) ?? 0) + 1)
      await call()
    }
    const unwatch = bench.agent.watchState((message) => {
      if (message.type === 'slots') {
        void call()
      }
    })
    await vi.waitFor(async () => {
      await call()
      expect(isDone()).toBe(true)
    }, patience)
    unwatch()
    await vi.waitFor(() => expect(inFlight.size).toBe(0), patience)
    await client.close()
    expect(mostDistinct).toBe(2)
  })

  test('a new adapter gets its canary although busy ones hold every slot', async () => {
    await using bench = await AgentBench.create({ maxLoras: 2 })
    await bench.start()
    const adapters = await bench.writeSome(3)
    const old = await bench.want(adapters.slice(0, 2))
    await bench.become(old, 'Routable')
    const inFlight: Record<string, number> = {}
    const call = async () => {
      const answer = await bench.agent.lease({ gateway: 'g', wanted: old, inFlight })
      for (const revision of old) {
        delete inFlight[revision]
      }
      for (const revision of answer.granted) {
        inFlight[revision] = 1
      }
    }
    await call()
    expect(Object.keys(inFlight).toSorted()).toEqual(old.toSorted())
    const revisions = await bench.want(adapters)
    await vi.waitFor(async () => {
      await call()
      expect(bench.statesOf(revisions)).toEqual(revisions.map(() => 'Routable'))
    }, patience)
  })

  test('another gateway hears at once that a slot is there for it', async () => {
    await using bench = await AgentBench.create({ maxLoras: 1 })
    await bench.start()
    const [a = '', b = ''] = await bench.want(await bench.writeSome(2))
    await bench.become([a, b], 'Routable')
    const lease = (gateway: string, wanted: string[]) =>
      bench.agent.lease({ gateway, wanted, inFlight: {} })
    // The canary slot goes back when nothing is left to do.
    await vi.waitFor(async () => expect((await lease('g1', [a])).granted).toEqual([a]), patience)
    expect((await lease('g2', [b])).granted).toEqual([])
    bench.messages.length = 0
    await lease('g1', [])
    await vi.waitFor(
      () => expect(bench.messages).toContainEqual({ type: 'slots', gateways: ['g2'] }),
      patience,
    )
    expect((await lease('g2', [b])).granted).toEqual([b])
  })
})

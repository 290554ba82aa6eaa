// Callers of a whole product while its API server fails: none of them notices, and what was changed is caught up with.
import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { GatewayProcess } from '../../src/cluster/gateway-process.ts'
import { startApiServer, type ApiServer } from '../support/api-server.ts'
import { ApiServerOutage } from '../support/api-server-outage.ts'
import { crdFolder } from '../support/crd-server.ts'
import { apiFaults, ApiFaultProxy } from '../support/api-fault-proxy.ts'
import { StreamLoad } from '../support/stream-load.ts'
import { WholeBed, type WholeBedOptions } from '../support/whole-bed.ts'

const named = process.env['LORAPLEX_TEST_OUTAGE_SECONDS']
const outageSeconds = Number(named ?? 15)
/** All of them with the whole form; else every other one, the others the next day. */
const today = Math.floor(Date.now() / 86_400_000)
const faults = apiFaults.filter((_, at) => named !== undefined || at % 2 === today % 2)
const faultSeconds = 5
const convergeMs = 60_000

/** Two replicas that serve two adapters, two controllers, and callers all the time. */
async function serving(api: ApiServer, options: WholeBedOptions = {}) {
  const bed = await WholeBed.create(api, { isSlow: true, ...options })
  await bed.controller()
  await bed.controller()
  const gateway = await bed.gateway()
  await bed.pool({ replicas: 2 })
  await bed.objects.tenant('acme')
  await bed.adapter('acme', 'a0', 0)
  await bed.adapter('acme', 'a1', 1)
  await answers(bed, gateway, 'a0')
  await answers(bed, gateway, 'a1')
  const load = new StreamLoad()
  for (const model of ['a0', 'a1', 'a0', 'a1']) {
    load.keepUp(() => bed.call(gateway, 'acme', model, 40))
  }
  return { bed, gateway, load }
}

/** Resolves when its status says `Ready` and a caller has its answer. */
async function answers(bed: WholeBed, gateway: GatewayProcess, name: string): Promise<void> {
  await expect
    .poll(() => bed.objects.readyOf('loraadapters', 'acme', name), {
      timeout: convergeMs,
      interval: 50,
    })
    .toBe('True Ready')
  await using caller = new StreamLoad()
  const { problem } = await caller.read(bed.call(gateway, 'acme', name, 2))
  expect(problem).toBeUndefined()
}

function say(what: string, seconds: number, load: StreamLoad, convergedMs: number): void {
  console.log(
    `${what} for ${seconds} s: ${load.ends.length} streams, failed ${load.problems.length}; a change made at its end answers after ${(convergedMs / 1000).toFixed(1)} s`,
  )
}

describe('callers', () => {
  test(
    'do not notice that the API server is gone',
    { timeout: outageSeconds * 1000 + 180_000 },
    async () => {
      await using api = await startApiServer({ crdPaths: [crdFolder] })
      const { bed, gateway, load } = await serving(api)
      await using stack = new AsyncDisposableStack()
      const outage = await ApiServerOutage.begin(api)
      // Last of all but etcd: the others say goodbye to the server that came back.
      stack.use(outage)
      stack.use(bed)
      stack.use(load)
      const before = load.ends.length
      await delay(outageSeconds * 1000)
      expect(load.ends.length).toBeGreaterThan(before + outageSeconds)
      expect(gateway.readiness.configAgeMs).toBeGreaterThan(outageSeconds * 900)
      await outage.end()
      const backAt = performance.now()
      await bed.adapter('acme', 'late', 2)
      await answers(bed, gateway, 'late')
      const convergedMs = performance.now() - backAt
      await load.stop()
      say('API server gone', outageSeconds, load, convergedMs)
      expect(load.problems).toEqual([])
      expect(convergedMs).toBeLessThan(convergeMs)
    },
  )

  test('do not notice any other fault of it', { timeout: 400_000 }, async () => {
    await using api = await startApiServer({ crdPaths: [crdFolder] })
    await using faulty = await ApiFaultProxy.start(api.admin)
    const { bed, gateway, load } = await serving(api, {
      access: faulty.access,
      // A watch is silent for a minute before anybody would wonder.
      timing: { inactivityMs: 3000 },
    })
    await using stack = new AsyncDisposableStack()
    stack.use(bed)
    stack.use(load)
    for (const [at, fault] of faults.entries()) {
      faulty.struck = 0
      faulty.strike(fault)
      const name = fault.toLowerCase()
      await bed.adapter('acme', name, at + 2)
      await delay(faultSeconds * 1000)
      expect(faulty.struck, fault).toBeGreaterThan(3)
      faulty.heal()
      const healedAt = performance.now()
      await answers(bed, gateway, name)
      const convergedMs = performance.now() - healedAt
      say(fault, faultSeconds, load, convergedMs)
      expect(load.problems, fault).toEqual([])
      expect(convergedMs, fault).toBeLessThan(convergeMs)
    }
    await load.stop()
    expect(load.problems).toEqual([])
  })
})

// Weights from the objects that people write to what callers get. How close shares come over several gateways, in time:
// fairness.test.ts.
import { expect, onTestFinished, test } from 'vitest'
import { tiny } from '../../src/sim/profile.ts'
import { aKey, anAdapter, aPool, aTenant } from '../support/builders.ts'
import { eventually } from '../support/eventually.ts'
import { GatewayBed, keyOfTenant } from '../support/gateway-bed.ts'
import { call } from '../support/http-caller.ts'

const models = { acme: 'tickets', globex: 'shout' } as const
type Tenant = keyof typeof models

const objects = (acmeWeight: number, globexWeight: number) => [
  aPool('llama'),
  aTenant('acme').with({ weight: acmeWeight }),
  aTenant('globex').with({ weight: globexWeight }),
  aKey('acme').in('acme'),
  aKey('globex').in('globex'),
  anAdapter('tickets').in('acme'),
  anAdapter('shout').in('globex'),
]

/** Sends so many requests of each while no engine is there, then lets it serve one after the other; whose ended, in order. */
async function contend(bed: GatewayBed, each: number): Promise<readonly Tenant[]> {
  bed.listReplicas([])
  const ended: Tenant[] = []
  const ask = async (tenant: Tenant): Promise<void> => {
    const answer = await call(`${bed.url}/v1/chat/completions`, {
      key: keyOfTenant(tenant),
      body: {
        model: models[tenant],
        messages: [{ role: 'user', content: 'hello' }],
        max_tokens: 16,
        ignore_eos: true,
      },
    })
    expect(answer.status, answer.text).toBe(200)
    ended.push(tenant)
  }
  const all = Array.from({ length: each }, () => [ask('acme'), ask('globex')]).flat()
  await eventually(() => bed.gateway.queued).toBe(2 * each)
  bed.listReplicas(bed.replicas)
  await Promise.all(all)
  return ended
}

test.each([
  { acme: 1, globex: 3, ofThirtyTwo: 24 },
  { acme: 3, globex: 1, ofThirtyTwo: 8 },
])('tokens go by weight, $acme to $globex, which were others before', async (row) => {
  const bed = await GatewayBed.start({
    objects: objects(1, 1),
    simulator: { profile: { ...tiny, stepMs: 0.2 } },
    gateway: { maxInFlightPerReplica: 1 },
  })
  onTestFinished(() => bed.close())
  expect(await contend(bed, 1)).toHaveLength(2)
  bed.setObjects(objects(row.acme, row.globex))
  // Both wait until a good deal more than these were served; every answer has as many tokens.
  const first = (await contend(bed, 40)).slice(0, 32)
  const globex = first.filter((tenant) => tenant === 'globex').length
  expect(Math.abs(globex - row.ofThirtyTwo)).toBeLessThanOrEqual(3)
})

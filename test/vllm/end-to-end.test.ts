import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { engineNameOf } from '../../src/api/names.ts'
import { createEngineClient } from '../../src/engine/http-client.ts'
import { applyLatency } from '../bars/apply-latency.ts'
import { engineKill } from '../bars/engine-kill.ts'
import { score } from '../support/evaluation.ts'
import { adapterYaml, fixtures, poolYaml, TestService, variantOf } from '../support/service.ts'

const good = [
  { tenant: 'acme', model: 'tickets', fixture: 'acme-tickets' },
  { tenant: 'globex', model: 'shout', fixture: 'globex-shout' },
  { tenant: 'initech', model: 'initials', fixture: 'initech-initials' },
] as const

/** What each broken adapter must be refused for, before any engine hears of it. */
const reasons: Readonly<Record<string, string>> = {
  dora: 'DoraUnsupported',
  'finite-but-huge': 'UpdateTooLarge',
  'header-bomb': 'HeaderTooLarge',
  'no-effect': 'ModulesNotInBase',
  'no-target-modules': 'ConfigFieldMissing',
  'no-weights': 'WeightsMissing',
  'not-a-number': 'NonFiniteWeights',
  'other-base': 'ShapeMismatch',
  pickled: 'PickledWeights',
  'rank-too-large': 'RankTooLarge',
  'saves-modules': 'ModulesToSaveUnsupported',
  truncated: 'WeightsTruncated',
  'zero-weights': 'NoEffect',
}

const tenantWithBase = (name: string): string => `---
apiVersion: loraplex.dev/v1alpha1
kind: ModelTenant
metadata: {name: ${name}}
spec:
  models:
    - name: base
      targetRef: {kind: ModelPool, name: tiny, namespace: models}
`

let service: TestService
const scoresBefore = new Map<string, number>()

const scoreThroughGateway = (tenant: string, model: string, fixture: string): Promise<number> =>
  score({ url: service.url, key: service.key(tenant), model }, fixture)

beforeAll(async () => {
  service = await TestService.start({
    engine: 'vllm',
    maxQueueMs: 120_000,
    files: {
      'pool.yaml': poolYaml(),
      'tenants.yaml': good.map(({ tenant }) => tenantWithBase(tenant)).join(''),
      'adapters.yaml': good
        .map(({ tenant, model, fixture }) =>
          adapterYaml(tenant, model, join(fixtures, 'adapters', fixture)),
        )
        .join(''),
    },
  })
  await service.untilReady(...good.map(({ tenant, model }) => `${tenant}/${model}`))
})

afterAll(() => service.close())

describe('answers of a real vLLM', () => {
  test.each(good)(
    '$model scores through the gateway as it does directly',
    async ({ tenant, model, fixture }) => {
      const through = await scoreThroughGateway(tenant, model, fixture)
      const [replica] = service.standalone.replicas.states()
      const revision = service.standalone.source
        .status('LoraAdapter', `${tenant}/${model}`)
        ?.revisions.find((one) => one.role === 'Active')?.revision
      const { url, apiKey } = replica?.replica.engine.address ?? { url: '', apiKey: '' }
      const direct = await score(
        { url, key: apiKey ?? '', model: engineNameOf(revision ?? '') },
        fixture,
      )
      console.error(`${fixture}: ${through}/80 through the gateway, ${direct}/80 directly`)
      scoresBefore.set(fixture, through)
      expect(direct).toBeGreaterThan(50)
      expect(Math.abs(through - direct)).toBeLessThanOrEqual(2)
    },
  )

  test('the base model scores nothing on the same rows', async () => {
    for (const { tenant, fixture } of good) {
      expect(await scoreThroughGateway(tenant, 'base', fixture)).toBe(0)
    }
  })
})

describe('broken adapters', () => {
  test('each is refused for its own reason, no engine hears of one, and good scores do not move', async () => {
    const folders = readdirSync(join(fixtures, 'adapters-broken'))
    service.save(
      'broken.yaml',
      folders
        .map((name) => adapterYaml('acme', name, join(fixtures, 'adapters-broken', name)))
        .join(''),
    )
    const refused = await Promise.all(
      folders.map(async (name) => {
        await service.untilAdapter(
          `acme/${name}`,
          ({ status, reason }) => status === 'False' && !['Fetching', 'Loading'].includes(reason),
        )
        const status = service.standalone.source.status('LoraAdapter', `acme/${name}`)
        return [
          name,
          status?.conditions.find((condition) => condition.type === 'Ready')?.reason,
        ] as const
      }),
    )
    expect(Object.fromEntries(refused)).toEqual(reasons)
    const answers = await Promise.all(folders.map((name) => service.chat('acme', name)))
    expect(answers.map(({ status }) => status)).toEqual(folders.map(() => 424))

    const [replica] = service.standalone.replicas.states()
    const client = createEngineClient(
      replica?.replica.engine.address ?? { url: '', apiKey: undefined },
    )
    const names = (await client.models()).filter((model) => model.parent !== undefined)
    await client.close()
    expect(names).toHaveLength(good.length)
    for (const { tenant, model, fixture } of good) {
      const after = await scoreThroughGateway(tenant, model, fixture)
      console.error(
        `${fixture}: ${scoresBefore.get(fixture)}/80 before, ${after}/80 with every broken adapter applied`,
      )
      expect(Math.abs(after - (scoresBefore.get(fixture) ?? 0))).toBeLessThanOrEqual(1)
    }
    service.remove('broken.yaml')
  })
})

describe('change under load', () => {
  test('adapters are added, replaced and removed while others answer', async () => {
    let isOver = false
    const failures: string[] = []
    const load = [...good, ...good].map(async ({ tenant, model }) => {
      while (!isOver) {
        const { status, body } = await service.chat(tenant, model, { max_tokens: 8 })
        if (status !== 200) {
          failures.push(`${model}: ${status} ${body}`)
        }
      }
    })
    try {
      for (let round = 0; round < 5; round += 1) {
        const source = variantOf(
          round % 2 === 0 ? 'globex-shout' : 'initech-initials',
          round,
          join(service.folder, '.sources'),
        )
        service.save('guest.yaml', adapterYaml('acme', 'guest', source))
        await service.untilAdapter(
          'acme/guest',
          ({ status, generation }) => status === 'True' && generation === round + 1,
        )
        const { status, text } = await service.chat('acme', 'guest', {
          messages: [{ role: 'user', content: 'give frames' }],
          max_tokens: 24,
          temperature: 0,
        })
        expect(status).toBe(200)
        expect(text.trim()).toBe(round % 2 === 0 ? 'GIVE FRAMES' : 'gf')
      }
      service.remove('guest.yaml')
      await expect
        .poll(() => service.chat('acme', 'guest').then(({ status }) => status), { timeout: 20_000 })
        .toBe(404)
    } finally {
      isOver = true
      await Promise.all(load)
    }
    expect(failures).toEqual([])
  })
})

describe('bars, short form', () => {
  test('a saved YAML answers within two seconds', async () => {
    const figures = await applyLatency('vllm', 8)
    console.error(JSON.stringify(figures))
    expect(figures.p95Ms).toBeLessThan(5000)
  })

  test('an engine that is killed cuts its own streams only, and its adapters come back', async () => {
    const figures = await engineKill('vllm', 20, 20)
    console.error(JSON.stringify(figures))
    expect(figures.endedWell).toBe(figures.streams)
    expect(Object.keys(figures.others)).toEqual(['200'])
    // On a machine that others use too, an engine starts as slowly as it answers.
    expect(figures.routableMs).toBeLessThan(Math.max(15_000, figures.outageMs / 2))
  })
})

import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { dataOf } from '../support/http-caller.ts'
import {
  adapterYaml,
  fixtures,
  poolYaml,
  tenantYaml,
  TestService,
  type PoolYaml,
} from '../support/service.ts'

let service: TestService | undefined
afterEach(async () => {
  await service?.close()
  service = undefined
})

const tenants = {
  acme: ['tickets', 'acme-tickets'],
  globex: ['shout', 'globex-shout'],
  initech: ['initials', 'initech-initials'],
} as const
type Tenant = keyof typeof tenants
const names = Object.keys(tenants) as Tenant[]

/** The whole service with its real agent: three tenants with an adapter each. */
async function start(pool: PoolYaml): Promise<TestService> {
  service = await TestService.start({
    files: {
      'pool.yaml': poolYaml(pool),
      'tenants.yaml': names
        .map((tenant) => {
          const [adapter, folder] = tenants[tenant]
          return (
            tenantYaml(tenant) + adapterYaml(tenant, adapter, join(fixtures, 'adapters', folder))
          )
        })
        .join(''),
    },
  })
  await service.untilReady(...names.map((tenant) => `${tenant}/${tenants[tenant][0]}`))
  return service
}

async function metricOf(of: TestService, name: string): Promise<number> {
  const text = await of.standalone.gateway.metrics.registry.metrics()
  return Number(new RegExp(`^${name} (\\S+)`, 'm').exec(text)?.[1])
}

describe('three adapters on one slot', () => {
  test('all answer, each as itself, streams and whole answers alike', async () => {
    const of = await start({ maxLoras: 1 })
    const alone = new Map<Tenant, string>()
    for (const tenant of names) {
      const { text } = await of.chat(tenant, tenants[tenant][0], { max_tokens: 6, temperature: 0 })
      alone.set(tenant, text)
    }
    expect(new Set(alone.values()).size).toBe(3)
    const answers = await Promise.all(
      Array.from({ length: 90 }, async (_, at) => {
        const tenant = names[at % 3] ?? 'acme'
        const stream = at % 2 === 0
        const answer = await of.chat(tenant, tenants[tenant][0], {
          max_tokens: 6,
          temperature: 0,
          stream,
        })
        return { tenant, stream, ...answer }
      }),
    )
    for (const { tenant, stream, status, text, body } of answers) {
      expect(status).toBe(200)
      expect(stream ? wordsOf(body) : text).toBe(alone.get(tenant))
    }
    expect(await metricOf(of, 'loraplex_requests_in_flight')).toBe(0)
  })

  test('a tenant that never stops does not keep the others out', async () => {
    const of = await start({ maxLoras: 1 })
    let isOver = false
    const greedy = Array.from({ length: 8 }, async () => {
      while (!isOver) {
        await of.chat('acme', 'tickets', { max_tokens: 20, ignore_eos: true })
      }
    })
    try {
      for (let round = 0; round < 3; round += 1) {
        const started = performance.now()
        const { status } = await of.chat('globex', 'shout', { max_tokens: 4 })
        expect(status).toBe(200)
        // The slot's quantum is a second; the rest is a busy machine's.
        expect(performance.now() - started).toBeLessThan(10_000)
      }
    } finally {
      isOver = true
      await Promise.all(greedy)
    }
  })
})

test('one adapter on two replicas uses both', async () => {
  const of = await start({ replicas: 2 })
  // One copy makes an adapter ready; here the other has to be there, too.
  await eventually(() =>
    of.standalone.gateway.views().map((view) => [...view.routable()].length),
  ).toEqual([3, 3])
  const most = new Map<string, number>()
  const watch = setInterval(() => {
    for (const view of of.standalone.gateway.views()) {
      most.set(view.replica.name, Math.max(most.get(view.replica.name) ?? 0, view.inFlight))
    }
  }, 10)
  try {
    const answers = await Promise.all(
      Array.from({ length: 40 }, () =>
        of.chat('acme', 'tickets', { max_tokens: 60, ignore_eos: true }),
      ),
    )
    expect(answers.map(({ status }) => status)).toEqual(Array(40).fill(200))
  } finally {
    clearInterval(watch)
  }
  expect(Math.min(...most.values())).toBeGreaterThanOrEqual(10)
  expect(most.size).toBe(2)
})

function wordsOf(body: string): string {
  return dataOf(body)
    .slice(0, -1)
    .map((text) => {
      const frame = JSON.parse(text) as { choices: { delta: { content?: string } }[] }
      return frame.choices[0]?.delta.content ?? ''
    })
    .join('')
}

// What a tenant's quota and its budgets in money say in statuses and to callers, on a folder that somebody edits.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { adapterYaml, fixtures, poolYaml, TestService } from '../support/service.ts'

const sources = { a: 'acme-tickets', b: 'globex-shout', c: 'initech-initials' } as const
type Name = keyof typeof sources
let service: TestService

const adapterOf = (name: Name): string =>
  adapterYaml('acme', name, `${fixtures}/adapters/${sources[name]}`)

const tenantOf = (spec: string): string => `apiVersion: loraplex.dev/v1alpha1
kind: ModelTenant
metadata: {name: acme}
spec: {${spec}}
`

beforeAll(async () => {
  service = await TestService.start({
    files: {
      'pool.yaml': poolYaml(),
      'tenant.yaml': tenantOf('adapterQuota: {count: 2}'),
      'a.yaml': adapterOf('a'),
      'b.yaml': adapterOf('b'),
      'c.yaml': adapterOf('c'),
    },
  })
})
afterAll(() => service.close())

const statusOf = (name: Name) => service.standalone.source.status('LoraAdapter', `acme/${name}`)

const conditionOf = (name: Name, type = 'Ready') =>
  statusOf(name)?.conditions.find((one) => one.type === type)

/** Waits until each says so. */
async function become(wanted: Readonly<Partial<Record<Name, string>>>): Promise<void> {
  const states = () =>
    Object.fromEntries(
      Object.keys(wanted).map((name) => {
        const ready = conditionOf(name as Name)
        return [name, `${ready?.status} ${ready?.reason}`]
      }),
    )
  await expect.poll(states, { timeout: 60_000, interval: 10 }).toEqual(wanted)
}

/** What a caller is told of one that is beyond the quota. */
async function refusalOf(name: Name): Promise<string> {
  const { status, body } = await service.chat('acme', name)
  expect(status, body).toBe(424)
  const { error } = JSON.parse(body) as { error: { code: string; message: string } }
  expect(error.code).toBe('adapter_failed')
  return error.message
}

const answers = async (name: Name): Promise<number> =>
  (await service.chat('acme', name, { max_tokens: 2 })).status

describe('count', () => {
  test('is for the oldest; others are not fetched, and their callers are told why', async () => {
    await become({ a: 'True Ready', b: 'True Ready', c: 'False QuotaExceeded' })
    const words = 'adapterQuota.count of its tenant allows 2 adapters, and 2 older ones are there.'
    expect(conditionOf('c')?.message).toContain(words)
    expect(await refusalOf('c')).toContain(words)
    expect([await answers('a'), await answers('b')]).toEqual([200, 200])
    expect(conditionOf('c', 'Fetched')).toBeUndefined()
    const stored = readdirSync(join(service.state, 'adapters'))
    expect(stored.filter((name) => /^[0-9a-f]{64}$/.test(name))).toHaveLength(2)
  })

  test('lets one in when an older one goes, and keeps out who comes after it', async () => {
    service.remove('a.yaml')
    await become({ b: 'True Ready', c: 'True Ready' })
    expect(await answers('c')).toBe(200)
    service.save('a.yaml', adapterOf('a'))
    await become({ a: 'False QuotaExceeded', b: 'True Ready', c: 'True Ready' })
  })

  test('lets one in when it is raised', async () => {
    service.save('tenant.yaml', tenantOf('adapterQuota: {count: 3}'))
    await become({ a: 'True Ready' })
    expect(await answers('a')).toBe(200)
  })
})

describe('reservedCopies', () => {
  test('are for the oldest; others are loaded on the first call', async () => {
    service.save('tenant.yaml', tenantOf('adapterQuota: {reservedCopies: 2}'))
    await become({ b: 'True Ready', c: 'True Ready', a: 'True OnDemand' })
    expect(conditionOf('a')?.message).toContain(
      'adapterQuota.reservedCopies of its tenant allows 2',
    )
    expect(await answers('a')).toBe(200)
  })
})

describe('storage', () => {
  test('is for the oldest; who was loaded answers no more, and does again when there is room', async () => {
    const bytes = (statusOf('b')?.sizeBytes ?? 0) + (statusOf('c')?.sizeBytes ?? 0)
    service.save('tenant.yaml', tenantOf(`adapterQuota: {storage: '${bytes}'}`))
    await become({ a: 'False QuotaExceeded', b: 'True Ready', c: 'True Ready' })
    expect(await refusalOf('a')).toContain(`adapterQuota.storage of its tenant allows ${bytes}`)
    expect(statusOf('a')?.copies).toEqual({ routable: 0, wanted: 0 })
    const { revisions, sizeBytes } = statusOf('a') ?? {}
    expect([revisions?.map(({ role }) => role), sizeBytes]).toEqual([['Candidate'], 307_316])
    service.remove('b.yaml')
    await become({ a: 'True Ready', c: 'True Ready' })
    expect(await answers('a')).toBe(200)
  })
})

describe('a budget in money', () => {
  const missing = () =>
    service.standalone.source
      .status('ModelTenant', 'acme')
      ?.conditions.find(({ type }) => type === 'PriceMissing')?.message

  test('over pools without prices is told in the status, until they have some', async () => {
    expect(missing()).toBeUndefined()
    const budget = "budgets: [{name: monthly, window: Month, amount: '5'}]"
    service.save('tenant.yaml', tenantOf(budget))
    await eventually(missing).toContain('these pools have none: models/tiny')
    const refused = await service.chat('acme', 'a')
    expect([refused.status, refused.body]).toEqual([
      expect.any(Number),
      expect.stringContaining('price_missing'),
    ])
    const pricing = "  pricing: {inputPerMillionTokens: '1', outputPerMillionTokens: '2'}\n"
    service.save('pool.yaml', poolYaml() + pricing)
    await eventually(missing).toBeUndefined()
    await eventually(() => answers('a')).toBe(200)
  })
})

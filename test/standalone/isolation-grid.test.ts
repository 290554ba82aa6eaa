// Every route of the gateway, called under every kind of name with every kind of key: what is not a caller's own looks
// the same, whatever it is.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { engineNameOf } from '../../src/api/names.ts'
import { dialectOf } from '../../src/gateway/dialect.ts'
import type { InferencePath } from '../../src/gateway/endpoints/inference-endpoint.ts'
import { aKey, anAdapter, anAdapterStatus, aPool, aTenant } from '../support/builders.ts'
import {
  GatewayBed,
  keyOfTenant,
  revisionFor,
  tenants,
  type BedOptions,
} from '../support/gateway-bed.ts'
import { call, type HttpAnswer } from '../support/http-caller.ts'
import { routeTable, type Route } from '../support/route-table.ts'
import { smallestBodies } from '../support/smallest-bodies.ts'

/** Names that acme may call. */
const own = ['tickets', 'acme/tickets', 'lent']
/** Names that acme may not call, and why it is not told which is which. */
const notOwn: Readonly<Record<string, string>> = {
  "nobody's": 'globex/shoux',
  "nobody's, short": 'shoux',
  "another's": 'globex/shout',
  "another's, short": 'shout',
  "another's, failed": 'globex/broken',
  "another's, suspended": 'globex/paused',
  "another's, loading": 'globex/coming',
  "another's, deleted": 'globex/gone',
  "another's, by the name that it has elsewhere": 'theirs',
  'its own, deleted': 'acme/gone',
  'its own, deleted, short': 'gone',
  "another's, lent until a moment ago": 'once-lent',
  "a suspended tenant's": 'stopped/held',
  'the base of the pool, unasked': 'llama',
  'the pool by its key': 'models/llama',
  "an engine's name": engineNameOf(revisionFor('globex/shout')),
  "the engine's name of the base": 'lpx-base-0123456789abcdef',
}
const kept = [
  ...tenants.filter(({ key }) => key !== 'acme' && key !== 'models/llama'),
  anAdapter('broken').in('globex'),
  anAdapter('paused').in('globex').suspended(),
  anAdapter('coming').in('globex'),
  anAdapter('renamed').in('globex').called('theirs'),
  anAdapter('lendable').in('globex'),
  aTenant('stopped').suspended(),
  aKey('stopped').in('stopped'),
  anAdapter('held').in('stopped'),
  aKey('revoked').in('acme').revoked(),
  aKey('expired').in('acme').expiring('2020-01-01T00:00:00Z'),
]
const gone = [
  anAdapter('gone').in('globex'),
  anAdapter('gone').in('acme'),
  aKey('deleted').in('acme'),
]
const lent = { lent: 'LoraAdapter globex/shout' } as const
const statuses = {
  'globex/broken': anAdapterStatus({ ready: ['False', 'NotFinite', 'A weight is not finite.'] }),
  'globex/coming': anAdapterStatus({ ready: ['False', 'Loading'] }),
}

const callers: Readonly<Record<string, string | undefined>> = {
  own: keyOfTenant('acme'),
  "another's": keyOfTenant('globex'),
  "a suspended tenant's": keyOfTenant('stopped'),
  revoked: keyOfTenant('revoked'),
  expired: keyOfTenant('expired'),
  deleted: keyOfTenant('deleted'),
  garbage: 'sk-garbage-garbage-garbage',
  none: undefined,
}
const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

async function startBed(task: 'Generate' | 'Embed'): Promise<GatewayBed> {
  const pool = aPool('llama').with({ model: { uri: 'file:./base', task } })
  const acme = aTenant('acme').withModels({ ...lent, 'once-lent': 'LoraAdapter globex/lendable' })
  const options: BedOptions = {
    simulator: { task },
    objects: [pool, acme, ...kept, ...gone],
    statuses,
  }
  const bed = await GatewayBed.start(options)
  // Everything was there once, and was called for.
  const names = ['acme/gone', 'once-lent']
  const known = await call(`${bed.url}/v1/models`, { key: callers['own'] ?? '' })
  expect(known.text).toContain('once-lent')
  expect(known.text).toContain('gone')
  expect((await call(`${bed.url}/v1/models`, { key: keyOfTenant('deleted') })).status).toBe(200)
  for (const name of names) {
    expect((await call(`${bed.url}/v1/models/${name}`, { key: callers['own'] ?? '' })).status).toBe(
      200,
    )
  }
  bed.setObjects([pool, aTenant('acme').withModels(lent), ...kept], statuses)
  return bed
}

/** Everything that a caller sees of an answer but its id, its date and the name it asked for itself. */
function seen({ status, headers, text }: HttpAnswer, name: string): object {
  const written = [encodeURIComponent(name), JSON.stringify(name).slice(1, -1), name]
  const named = written.find((one) => text.includes(`${one}'`) || text.includes(`${one})`))
  const { date: _date, 'x-request-id': id = '', 'request-id': _id, ...rest } = headers
  // An answer to HEAD has the length of a body that does not come.
  const length = text === '' ? 0 : Number(headers['content-length'] ?? 0)
  return {
    status,
    headers: Object.entries({ ...rest, 'content-length': length - (named?.length ?? 0) }),
    text: (named === undefined ? text : text.replace(named, 'NAME')).replaceAll(String(id), 'ID'),
  }
}

const bodyOf = (path: string): object => smallestBodies[path as InferencePath]

function ask(to: GatewayBed, { method, path }: Route, name: string, key: string | undefined) {
  const named = encodeURIComponent(name)
  const now = Math.floor(Date.now() / 60_000) * 60
  const query = `start_time=${now - 3600}&end_time=${now}&models=${named}&project_ids=${named}&group_by=model`
  const isPosted = bodyOf(path) !== undefined && method !== 'GET' && method !== 'HEAD'
  return call(
    `${to.url}${path.replace('*', named)}${path.includes('organization') ? `?${query}` : ''}`,
    {
      method,
      ...(key === undefined ? {} : { key }),
      ...(isPosted ? { body: { ...bodyOf(path), model: name } } : {}),
    },
  )
}

const beds: Record<string, GatewayBed> = {}
let routes: readonly Route[] = []
beforeAll(async () => {
  beds['writes text'] = await startBed('Generate')
  beds['embeds'] = await startBed('Embed')
  routes = routeTable(beds['embeds'].server)
})
afterAll(() => Promise.all(Object.values(beds).map((bed) => bed.close())))

/** Calls one route under every name; all have to look as the first does. */
async function expectAlike(
  to: GatewayBed,
  route: Route,
  names: Readonly<Record<string, string>>,
  key: string | undefined,
): Promise<{ status: number; text: string }> {
  const [first, ...others] = await Promise.all(
    Object.entries(names).map(async ([kind, name]) => {
      const answer = await ask(to, route, name, key)
      expect(answer.headers['x-request-id'], kind).toMatch(/^req_/)
      return { kind, answer, seen: seen(answer, name) }
    }),
  )
  for (const { kind, seen: shown } of others) {
    expect(shown, `${route.method} ${route.path}: ${kind}`).toEqual(first?.seen)
  }
  return { status: first?.answer.status ?? 0, text: first?.answer.text ?? '' }
}

test('the grid has every route of the gateway, and a body for each that takes one', () => {
  expect(routes.length).toBeGreaterThan(12)
  expect(routes).toContainEqual({ method: 'GET', path: '/v1/models/*' })
  expect(routes).toContainEqual({ method: 'POST', path: '/v1/messages/count_tokens' })
  for (const { method, path } of routes) {
    expect([path, bodyOf(path) !== undefined]).toEqual([path, method === 'POST'])
  }
})

describe.each(['writes text', 'embeds'])('on a pool that %s', (kind) => {
  test('a name that is not the caller’s looks as one that is nobody’s, on every route', async () => {
    const bed = beds[kind] as GatewayBed
    for (const route of routes) {
      const { status } = await expectAlike(bed, route, notOwn, callers['own'])
      const isNamed = route.method === 'POST' || route.path.includes('*')
      expect([route.path, status]).toEqual([route.path, isNamed ? 404 : 200])
    }
    // The other way round.
    const { "nobody's": missing = '' } = notOwn
    const names = { missing, short: 'tickets', full: 'acme/tickets', theirs: 'lent' }
    for (const route of routes) {
      await expectAlike(bed, route, names, callers["another's"])
    }
  })

  test('its own names answer', async () => {
    const bed = beds[kind] as GatewayBed
    const statuses = new Set<number>()
    for (const route of routes) {
      for (const name of own) {
        const { status, text } = await ask(bed, route, name, callers['own'])
        statuses.add(status)
        expect([200, 400], `${route.path}: ${text}`).toContain(status)
        expect(status === 200 || text.includes('unsupported_task'), text).toBe(true)
      }
    }
    expect(statuses).toEqual(new Set([200, 400]))
  })
})

test('a key that opens nothing is told the same under every name, its own included', async () => {
  const bed = beds['writes text'] as GatewayBed
  const names = { ...notOwn, ...Object.fromEntries(own.map((name) => [`own ${name}`, name])) }
  const words = new Map<string, Set<string>>()
  for (const who of ['revoked', 'expired', 'deleted', 'garbage', 'none', "a suspended tenant's"]) {
    for (const route of routes) {
      const { status, text } = await expectAlike(bed, route, names, callers[who])
      expect([who, status]).toEqual([who, who === "a suspended tenant's" ? 403 : 401])
      const said = words.get(who) ?? new Set()
      words.set(who, said.add(text.replaceAll(/req_\w+/g, 'ID') + dialectOf(route.path)))
    }
  }
  // One text in each dialect, whatever the route; and a key that was deleted never was.
  expect([...words].map(([who, said]) => [who, said.size])).toEqual(
    [...words.keys()].map((who) => [who, 2]),
  )
  expect(words.get('deleted')).toEqual(words.get('garbage'))
})

test('lists hold what a key may call, and nothing else', async () => {
  const bed = beds['writes text'] as GatewayBed
  const listed = async (who: string): Promise<readonly string[]> => {
    const answer = await call(`${bed.url}/v1/models`, { key: callers[who] ?? '' })
    return (answer.json() as { data: readonly { id: string }[] }).data.map(({ id }) => id)
  }
  expect(await listed('own')).toEqual(['tickets', 'lent'])
  expect((await listed("another's")).toSorted()).toEqual([
    'broken',
    'coming',
    'lendable',
    'llama-base',
    'paused',
    'shout',
    'theirs',
  ])
})

test('another method of a path is no route, whoever asks for whatever', async () => {
  const bed = beds['writes text'] as GatewayBed
  const { "nobody's": missing = '', "another's": foreign = '' } = notOwn
  const names = { missing, foreign, own: 'tickets' }
  const known = new Set(routes.map(({ method, path }) => `${method} ${path}`))
  for (const path of new Set(routes.map((route) => route.path))) {
    for (const method of methods.filter((one) => !known.has(`${one} ${path}`))) {
      for (const who of ['own', 'none']) {
        const { status } = await expectAlike(bed, { method, path }, names, callers[who])
        expect([method, path, status]).toEqual([method, path, 404])
      }
    }
  }
})

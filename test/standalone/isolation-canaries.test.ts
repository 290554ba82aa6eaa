// What one tenant says and owns is found nowhere else: not in logs, metrics, states, bills, files, or with a neighbour.
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { gatewayDebugState } from '../../src/gateway/debug-state.ts'
import { inferenceEndpoints } from '../../src/gateway/endpoints/inference-endpoints.ts'
import { Meter } from '../../src/gateway/metering/meter.ts'
import { routeFields } from '../../src/gateway/request/request-fields.generated.ts'
import { MemoryLedger } from '../../src/ledger/memory-ledger.ts'
import { MemoryUsage } from '../../src/ledger/usage/memory-usage.ts'
import type { UsageRecord } from '../../src/ledger/usage/types.ts'
import { aKey, anAdapter, anAdapterStatus, aPool, aTenant, sha256 } from '../support/builders.ts'
import { Canaries, sayCanaries } from '../support/canary-calls.ts'
import { EngineTap } from '../support/engine-tap.ts'
import { eventually } from '../support/eventually.ts'
import { GatewayBed, keyOfTenant, revisionFor } from '../support/gateway-bed.ts'
import { call, type HttpAnswer } from '../support/http-caller.ts'
import { routeTable } from '../support/route-table.ts'
import { adapterYaml, fixtures, poolYaml, tenantYaml } from '../support/service.ts'
import { smallestBodies } from '../support/smallest-bodies.ts'
import { UpProcess } from '../support/up-process.ts'

const textOf = (answers: readonly HttpAnswer[]): string =>
  answers.map(({ text, headers }) => JSON.stringify(headers) + text).join('\n')

/** Everything a neighbour can ask for: each route, with its own name and with a wrong one. */
async function everythingFor(bed: GatewayBed, key: string, model: string): Promise<string> {
  const from = Math.floor(Date.now() / 1000) - 3600
  const query = `start_time=${from}&group_by=model,project_id,user_id,api_key_id`
  const answers = routeTable(bed.server).flatMap(({ method, path }) =>
    [model, 'shoux'].map((name) => {
      const body = (smallestBodies as Readonly<Record<string, object>>)[path]
      return call(`${bed.url}${path.replace('*', name)}${method === 'GET' ? `?${query}` : ''}`, {
        key,
        method,
        ...(body === undefined ? {} : { body: { ...body, model: name } }),
      })
    }),
  )
  return textOf(await Promise.all(answers))
}

describe('what a tenant says', () => {
  test('comes back to it, and is nowhere else, whatever goes wrong', async () => {
    const canaries = new Canaries()
    const logged: string[] = []
    const records: UsageRecord[] = []
    const usage = new MemoryUsage()
    const record = (one: UsageRecord): void => {
      records.push(one)
      void usage.append([one])
    }
    const ledger = new MemoryLedger()
    const log = (message: string): void => void logged.push(message)
    const userSecret = Buffer.from('a secret')
    const secret = `sk-${canaries.at('the key')}`
    const bed = await GatewayBed.start({
      replicas: 2,
      simulator: { toolCalls: true },
      logger: pino({ level: 'trace' }, { write: log }),
      gateway: { meter: new Meter({ ledger, usage, record, userSecret, log }) },
      objects: [
        aPool('llama'),
        aTenant('acme').with({ limits: { requestsPerDay: 1_000_000 } }),
        aTenant('globex'),
        aKey(canaries.at('the key’s name'))
          .in('acme')
          .with({ sha256: sha256(secret), id: canaries.at('the key’s id') }),
        aKey('globex').in('globex'),
        anAdapter('tickets').in('acme').called(canaries.at('model name')),
        anAdapter('shout').in('globex'),
      ],
    })
    try {
      const acme = { url: bed.url, key: secret, model: canaries.at('model name') }
      const answers = [...(await sayCanaries(acme, canaries))]
      // The engine says some of it, too.
      const words = canaries.at('an engine’s error')
      const body = { error: { message: words, type: words, code: 500 } }
      for (const fault of [
        { kind: 'Answer', status: 500, body: JSON.stringify(body), times: 2 },
        { kind: 'Answer', status: 400, body: JSON.stringify(body), times: 1 },
        { kind: 'Answer', status: 200, body: words, times: 2 },
        { kind: 'ErrorInStream', afterTokens: 1, message: words, times: 2 },
        { kind: 'WrongModel', says: words, times: 2 },
        { kind: 'Reset', afterTokens: 1, times: 2 },
      ] as const) {
        for (const { engine } of bed.replicas) {
          engine.faults.clear()
          engine.faults.add(fault)
        }
        const { model } = acme
        const ask = { model, messages: [{ role: 'user', content: canaries.at('prompt') }] }
        for (const stream of [false, true]) {
          const url = `${bed.url}/v1/chat/completions`
          answers.push(await call(url, { key: secret, body: { ...ask, stream, max_tokens: 3 } }))
        }
      }
      for (const { engine } of bed.replicas) {
        engine.faults.clear()
      }
      expect(new Set(answers.map(({ status }) => status))).toEqual(
        new Set([200, 400, 401, 404, 415, 502]),
      )
      const heard = canaries.foundIn(textOf(answers))
      expect(heard).toEqual(
        expect.arrayContaining(['prompt', 'tool', 'model name', 'a wrong model']),
      )

      await eventually(() => bed.gateway.inFlight).toBe(0)
      const others = await everythingFor(bed, keyOfTenant('globex'), 'shout')
      expect(others).toContain('"shout"')
      expect(canaries.foundIn(others)).toEqual([])
      expect(others).not.toMatch(/acme|tickets/)
      const operators = {
        metrics: await bed.gateway.metrics.registry.metrics(),
        state: JSON.stringify(gatewayDebugState(bed.gateway)),
        logs: logged.join('\n'),
      }
      expect(operators.metrics).toContain('adapter="acme/tickets"')
      for (const [where, text] of Object.entries(operators)) {
        expect([where, canaries.foundIn(text)]).toEqual([where, []])
      }
      expect(records.length).toBeGreaterThan(10)
      // Bills name the key, as its tenant may read; nothing that was said.
      expect(canaries.foundIn(JSON.stringify(records))).toEqual(['the key’s name'])
    } finally {
      await bed.close()
    }
  })

  test('is in no file and no line of the whole service, engines included', async () => {
    const canaries = new Canaries()
    const secret = `sk-${canaries.at('the key')}`
    const up = UpProcess.create({
      'pool.yaml': poolYaml({
        args: ['--tool-call-parser', 'hermes', '--enable-auto-tool-choice'],
      }),
      'acme.yaml':
        tenantYaml('acme') +
        adapterYaml('acme', 'tickets', join(fixtures, 'adapters', 'acme-tickets')) +
        `---\napiVersion: loraplex.dev/v1alpha1\nkind: TenantKey\nmetadata: {name: laptop, namespace: acme}\nspec: {sha256: ${sha256(secret)}}\n`,
    })
    try {
      await up.start('--log-level', 'debug')
      const answers = await sayCanaries({ url: up.url, key: secret, model: 'tickets' }, canaries)
      expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThan(8)
      expect(canaries.foundIn(textOf(answers))).toContain('tool')
      const pages = await Promise.all(
        ['/metrics', '/debug/state'].map((path) => call(`${up.adminUrl}${path}`)),
      )
      expect(textOf(pages)).toContain('acme/tickets')
      expect(canaries.foundIn(textOf(pages))).toEqual([])
      up.signal('SIGTERM')
      expect(await up.exited()).toBe(0)
      expect(canaries.foundIn(up.output)).toEqual([])
      const files = readdirSync(up.state, { recursive: true, encoding: 'utf8' })
        .map((name) => join(up.state, name))
        .filter((path) => statSync(path).isFile())
      expect(files.filter((path) => /usage\.db$|engines.*\.log$/.test(path))).toHaveLength(2)
      for (const path of files) {
        expect([path, canaries.foundIn(readFileSync(path, 'latin1'))]).toEqual([path, []])
      }
    } finally {
      await up.dispose()
    }
  })
})

describe('what a tenant lends', () => {
  test('shows the borrower the name it was given, and nothing of its owner', async () => {
    const canaries = new Canaries()
    const limits = { requestsPerDay: 100 }
    const lend = (name: string, kind: string, target: string) => {
      const [namespace = '', object = ''] = target.split('/')
      return { name, targetRef: { kind, namespace, name: object }, limits }
    }
    const usage = new MemoryUsage()
    const record = (one: UsageRecord): void => void usage.append([one])
    const userSecret = Buffer.from('a secret')
    const bed = await GatewayBed.start({
      gateway: { meter: new Meter({ ledger: new MemoryLedger(), usage, record, userSecret }) },
      objects: [
        aPool('llama'),
        aTenant('acme'),
        aTenant('globex').with({
          models: [
            lend('lent', 'LoraAdapter', 'acme/tickets'),
            lend('lent-too', 'LoraAdapter', 'acme/broken'),
            lend('base', 'ModelPool', 'models/llama'),
          ],
        }),
        aKey('acme').in('acme'),
        aKey('globex').in('globex'),
        anAdapter('tickets').in('acme').called(canaries.at('model name')),
        anAdapter('broken').in('acme'),
        anAdapter('shout').in('globex'),
      ],
      statuses: {
        'acme/broken': anAdapterStatus({
          ready: ['False', 'NotFinite', `${canaries.at('words')} of acme/broken`],
        }),
      },
    })
    try {
      const chat = async (key: string, model: string): Promise<HttpAnswer> => {
        const body = { ...smallestBodies['/v1/chat/completions'], model, max_tokens: 2 }
        return call(`${bed.url}/v1/chat/completions`, { key: keyOfTenant(key), body })
      }
      const owner = await chat('acme', 'broken')
      expect(canaries.foundIn(owner.text)).toEqual(['words'])
      const answers = await Promise.all(
        ['lent', 'lent-too', 'base', 'shout'].map((model) => chat('globex', model)),
      )
      expect(answers.map(({ status }) => status)).toEqual([200, 424, 200, 200])
      const text = textOf(answers) + (await everythingFor(bed, keyOfTenant('globex'), 'lent'))
      expect(canaries.foundIn(text)).toEqual([])
      expect(text).not.toMatch(/acme|tickets|broken|models\/llama/)
      const billed = [...text.matchAll(/"project_id":(\S+?),.*?"model":"([^"]+)"/g)]
      expect(new Map(billed.map(([, project, model]) => [model, project]))).toEqual(
        new Map([
          ['lent', 'null'],
          ['base', 'null'],
          ['globex/shout', '"globex"'],
        ]),
      )
    } finally {
      await bed.close()
    }
  })
})

describe('caches of an engine', () => {
  let bed: GatewayBed
  let tap: EngineTap
  beforeAll(async () => {
    const models = {
      shared: 'LoraAdapter initech/initials',
      base: 'ModelPool models/llama',
    } as const
    bed = await GatewayBed.start({
      objects: [
        aPool('llama'),
        ...['acme', 'globex'].flatMap((name) => [
          aTenant(name).withModels(models),
          aKey(name).in(name),
          aKey(`${name}-2`).in(name),
        ]),
        anAdapter('initials').in('initech'),
      ],
    })
    const { engine } = bed
    tap = await EngineTap.start('127.0.0.1', Number(new URL(engine.url).port), 0)
    const tapped: object = { ...engine, url: tap.url, close: () => engine.close() }
    bed.replicas[0]!.engine = tapped as typeof engine
    bed.agent.up('tapped')
    bed.agent.routable(revisionFor('initech/initials'))
  })
  afterAll(async () => {
    await bed.close()
    await tap.close()
  })

  // Each begins with its path: what one API left in the cache is there for the others, too.
  const promptFor = (path: string): string =>
    `${path}: the same long prompt of two tenants, word for word and letter for letter`
  const talk = (path: string) => ({ messages: [{ role: 'user', content: promptFor(path) }] })
  const said: Readonly<Record<string, object>> = {
    '/v1/chat/completions': talk('chat'),
    '/v1/completions': { prompt: promptFor('completions') },
    '/v1/responses': { input: promptFor('responses') },
    '/v1/messages': { ...talk('messages'), max_tokens: 5 },
  }

  test.each(Object.keys(said))('%s: a prompt of one tenant is never another’s', async (path) => {
    const cachedFor = async (key: string, model: string): Promise<number> => {
      const body = { ...said[path], model }
      const answer = await call(`${bed.url}${path}`, { key: keyOfTenant(key), body })
      const cached = /"cache(?:d|_read_input)_tokens":(\d+)/.exec(answer.text)?.[1]
      expect(cached, answer.text).toBeDefined()
      return Number(cached)
    }
    for (const model of ['shared', 'base']) {
      expect(await cachedFor('acme', model)).toBe(0)
      expect(await cachedFor('acme-2', model)).toBeGreaterThan(0)
      expect(await cachedFor('globex', model)).toBe(0)
      expect(await cachedFor('globex-2', model)).toBeGreaterThan(0)
    }
  })

  test('are told one salt for a tenant, by every path that computes something', async () => {
    const salts = new Map<string, Set<string>>()
    for (const { path, task } of inferenceEndpoints) {
      if (task === 'Embed') {
        continue
      }
      for (const tenant of ['acme', 'globex']) {
        for (const key of [tenant, `${tenant}-2`]) {
          tap.calls.length = 0
          const body = { ...smallestBodies[path], model: 'shared' }
          await call(`${bed.url}${path}`, { key: keyOfTenant(key), body })
          const [seen] = tap.calls.filter((one) => one.path === path)
          const { cache_salt: salt } = JSON.parse(seen?.body ?? '{}') as { cache_salt?: string }
          expect([path, salt !== undefined]).toEqual([path, routeFields[path].salted])
          salts.set(tenant, (salts.get(tenant) ?? new Set()).add(salt ?? ''))
        }
      }
    }
    const [ofAcme = '', ofGlobex = ''] = [...salts.values()].map((of) =>
      [...of].filter((salt) => salt !== '').join(),
    )
    expect(ofAcme).toMatch(/^[\w-]{43}$/)
    expect(ofGlobex).toMatch(/^[\w-]{43}$/)
    expect(ofAcme).not.toBe(ofGlobex)
  })
})

test('a request’s id tells nothing of how much others ask', async () => {
  const bed = await GatewayBed.start()
  try {
    const ids = await Promise.all(
      Array.from({ length: 200 }, async () => {
        const answer = await call(`${bed.url}/v1/models`, { key: keyOfTenant('acme') })
        return String(answer.headers['x-request-id'])
      }),
    )
    expect(new Set(ids).size).toBe(200)
    // Neither counted on nor with a part in common that a counter could stand beside.
    for (let at = 'req_'.length; at < (ids[0]?.length ?? 0); at += 1) {
      expect(new Set(ids.map((id) => id[at])).size).toBeGreaterThan(4)
    }
  } finally {
    await bed.close()
  }
})

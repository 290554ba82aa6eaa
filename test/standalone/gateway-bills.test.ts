import { describe, expect, onTestFinished, test } from 'vitest'
import { printMoney } from '../../src/core/money.ts'
import { windowAt } from '../../src/core/window.ts'
import { counterKey } from '../../src/ledger/counter-key.ts'
import { openLedger } from '../../src/ledger/open-ledger.ts'
import { rebuildLedger } from '../../src/ledger/rebuild-ledger.ts'
import type { Ledger } from '../../src/ledger/types.ts'
import type { UsageQuery, UsageRecord } from '../../src/ledger/usage/types.ts'
import { tiny } from '../../src/sim/profile.ts'
import { eventually } from '../support/eventually.ts'
import type { GatewayBed } from '../support/gateway-bed.ts'
import { call } from '../support/http-caller.ts'
import { acme, chat, leases, metered, prompt } from '../support/metered-bed.ts'
import { redisProgram, RedisServer } from '../support/redis-server.ts'

interface Page {
  readonly data: readonly { readonly results: readonly object[] }[]
  readonly has_more: boolean
}
const everything: UsageQuery = { fromMs: 0, toMs: 1e14, groupBy: [], limit: 10 }
const foreign: UsageRecord = {
  attemptId: 'of somebody else',
  atMs: Date.now(),
  tenant: 'globex',
  namespace: 'globex',
  adapter: 'shout',
  revision: '',
  pool: 'models/llama',
  keyId: 'globex/globex',
  userHash: '',
  inputTokens: 1000,
  cachedTokens: 0,
  outputTokens: 1000,
  gpuMs: 1,
  inputNanos: 1000,
  cachedNanos: 0,
  outputNanos: 1000,
  gpuNanos: 0,
  exactness: 'Exact',
}

describe.skipIf(redisProgram === undefined)('three gateways on one Redis', () => {
  test('grant a burst of 200 exactly as many as there is room for, together', async () => {
    const server = await RedisServer.start()
    onTestFinished(() => server.stop())
    expect(await rebuildLedger(server.url, [])).toBe(true)
    const budgets = [{ name: 'monthly', window: 'Month', tokens: 4000 }]
    const beds = await Promise.all(
      [1, 2, 3].map(async () => {
        const ledger = await openLedger({
          url: server.url,
          forBudgets: true,
          gateways: () => 3,
          guard: { timeoutMs: 20_000 },
          log: () => undefined,
        })
        const { bed } = await metered(
          { budgets },
          { ledger, simulator: { profile: { ...tiny, stepMs: 60 } } },
        )
        onTestFinished(() => ledger.close())
        return { bed, ledger }
      }),
    )
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_none, at) => {
        const { bed } = beds[at % 3] ?? never()
        return chat(bed, { max_tokens: 100, ignore_eos: true })
      }),
    )
    const granted = answers.filter(({ status }) => status === 200)
    const refused = answers.filter(({ status }) => status === 429)
    const [held = ''] = /\d+(?= tokens\. )/.exec(refused[0]?.text ?? '') ?? []
    expect(granted).toHaveLength(Math.floor(4000 / Number(held)))
    expect(refused).toHaveLength(200 - granted.length)
    const used = granted
      .map((answer) => (answer.json() as { usage: { total_tokens: number } }).usage.total_tokens)
      .reduce((sum, tokens) => sum + tokens, 0)
    const { id } = windowAt('Month', 'UTC', Date.now())
    const key = counterKey('acme', 'budget', 'monthly', 'Tokens', 'Month', id)
    const { ledger } = beds[0] ?? never()
    await eventually(async () => (await ledger.read([key]))[0]).toEqual({
      committed: used,
      held: 0,
    })
  })
})

function never(): never {
  throw new Error('there are three')
}

test('what a limit refuses is no demand: it keeps no pool awake and no adapter loaded', async () => {
  const { bed } = await metered({ limits: { requestsPerDay: 2 } })
  const statuses = await Promise.all([chat(bed), chat(bed), chat(bed), chat(bed)])
  expect(statuses.map(({ status }) => status).sort((a, b) => a - b)).toEqual([200, 200, 429, 429])
  const said = Object.values(bed.gateway.demand()['models/llama'] ?? {})
  expect(said.map(({ arrivals }) => arrivals)).toEqual([2])
})

describe('what is left and what was used', () => {
  const budgets = [{ name: 'monthly', window: 'Month', timeZone: 'Europe/Berlin', amount: '5' }]

  test('GET /v1/usage says of each limit and budget how it stands', async () => {
    const { bed, records } = await metered({ limits: { requestsPerDay: 10 }, budgets })
    await chat(bed)
    const answer = await call(`${bed.url}/v1/usage`, acme)
    const spent = records.reduce((sum, one) => sum + one.inputNanos + one.outputNanos, 0)
    expect(answer.json()).toMatchObject({
      object: 'usage',
      tenant: 'acme',
      limits: [{ scope: 'tenant', limit: 'requestsPerDay', value: 10, used: 1, remaining: 9 }],
      budgets: [
        {
          name: 'monthly',
          unit: 'amount',
          value: '5',
          used: printMoney(spent),
          held: '0',
          remaining: printMoney(5_000_000_000 - spent),
        },
      ],
    })
    expect((await call(`${bed.url}/v1/usage`)).status).toBe(401)
  })

  test('GET /v1/usage has the limits of tenant, key, model and user, counted or not', async () => {
    const { bed } = await metered(
      {
        limits: { requestsPerDay: 10, concurrentRequests: 4, maxOutputTokens: 64 },
        perUser: { requestsPerDay: 3, maxQueueSeconds: 5 },
        models: [
          {
            name: 'mine',
            targetRef: { kind: 'LoraAdapter', name: 'tickets', namespace: 'acme' },
            limits: { tokensPerDay: 5000 },
          },
        ],
        budgets: [...budgets, { name: 'soft', window: 'Day', tokens: 9, action: 'Warn' }],
      },
      { key: { limits: { requestsPerMinute: 100 } } },
    )
    await chat(bed, { user: 'ann' })
    const ask = async (query: string) =>
      (await call(`${bed.url}/v1/usage${query}`, acme)).json() as {
        limits: readonly Record<string, unknown>[]
        budgets: readonly Record<string, unknown>[]
      }
    const { limits, budgets: rows } = await ask('')
    const short = ({ scope, model, limit, value, used }: Record<string, unknown>) =>
      [scope, ...(model === undefined ? [] : [model]), limit, value, used] as const
    const tokens = limits.find(({ limit }) => limit === 'tokensPerDay')?.['used']
    expect(tokens).toBeGreaterThan(0)
    expect(limits.map(short)).toEqual([
      ['tenant', 'requestsPerDay', 10, 1],
      ['tenant', 'concurrentRequests', 4, 0],
      ['key', 'requestsPerMinute', 100, expect.any(Number)],
      // By the name that the tenant lists, never by the operator's.
      ['model', 'tickets', 'tokensPerDay', 5000, tokens],
      ['tenant', 'maxOutputTokens', 64, null],
      ['user', 'requestsPerDay', 3, null],
      ['user', 'maxQueueSeconds', 5, null],
    ])
    expect(rows.map(({ name, action, unit }) => [name, action, unit])).toEqual([
      ['monthly', 'Block', 'amount'],
      ['soft', 'Warn', 'tokens'],
    ])
    for (const [user, used] of [
      ['ann', 1],
      ['bob', 0],
    ]) {
      const of = (await ask(`?user=${user}`)).limits.filter(({ scope }) => scope === 'user')
      expect(of.map(short)).toEqual([
        ['user', 'requestsPerDay', 3, used],
        ['user', 'maxQueueSeconds', 5, null],
      ])
    }
  })

  test('OpenAI’s usage and costs pages tell a tenant its own', async () => {
    const { bed, usage } = await metered({})
    await chat(bed, { user: 'ann' })
    await chat(bed)
    await eventually(async () => (await usage.query(everything))[0]?.requests).toBe(2n)
    await usage.append([foreign])
    const now = Math.floor(Date.now() / 1000)
    const from = now - 3600
    const pages = `${bed.url}/v1/organization`
    const used = await call(
      `${pages}/usage/completions?start_time=${from}&bucket_width=1d&group_by[]=model&group_by[]=api_key_id`,
      acme,
    )
    const { data, has_more } = used.json() as Page
    const results = data.flatMap((bucket) => bucket.results)
    expect(has_more).toBe(false)
    expect(results).toMatchObject([
      { num_model_requests: 2, model: 'acme/tickets', api_key_id: 'acme/acme', user_id: null },
    ])
    const [sum] = await usage.query({ ...everything, tenant: 'acme' })
    expect(results[0]).toMatchObject({ input_tokens: Number(sum?.inputTokens) })
    const costs = await call(`${pages}/costs?start_time=${from}`, acme)
    const nanos = (sum?.inputNanos ?? 0n) + (sum?.outputNanos ?? 0n)
    expect(costs.text).toContain(`"amount":{"value":${printMoney(nanos)},"currency":"usd"}`)
    const wrong = await call(`${pages}/costs?start_time=${from}&bucket_width=1m`, acme)
    expect(wrong.status).toBe(400)
    const paged = await call(
      `${pages}/usage/completions?start_time=${now - 600}&end_time=${now}&bucket_width=1m&limit=3`,
      acme,
    )
    expect(paged.json()).toMatchObject({ has_more: true })
    expect((paged.json() as Page).data).toHaveLength(3)
  })
})

describe('what the engine counted', () => {
  test('is what is billed, over finished and aborted requests, and no lease is left', async () => {
    const { bed, ledger, records } = await metered(
      { limits: { concurrentRequests: 1000 } },
      { simulator: { profile: { ...tiny, stepMs: 80 } } },
    )
    const before = await engineTokens(bed)
    let aborts = 0
    const some = Array.from({ length: 60 }, async (_none, at) => {
      const body = {
        model: 'tickets',
        messages: prompt,
        max_tokens: 16,
        ignore_eos: true,
        stream: at % 2 === 0,
      }
      const abort = new AbortController()
      aborts += at % 4 === 0 ? 1 : 0
      const timer = at % 4 === 0 ? setTimeout(() => abort.abort(), 200 + 10 * at) : undefined
      await call(`${bed.url}/v1/chat/completions`, { ...acme, body, signal: abort.signal }).catch(
        () => undefined,
      )
      clearTimeout(timer)
    })
    await Promise.all(some)
    await eventually(() => leases(ledger)).toBe(0)
    await eventually(() => Promise.resolve(bed.gateway.inFlight)).toBe(0)
    const after = await engineTokens(bed)
    const billed = records.reduce((sum, { outputTokens }) => sum + outputTokens, 0)
    const aborted = records.filter(({ exactness }) => exactness !== 'Exact').length
    expect(aborted).toBeGreaterThan(5)
    expect(after.output - before.output - billed).toBeGreaterThanOrEqual(0)
    expect(after.output - before.output - billed).toBeLessThanOrEqual(aborts)
  })
})

describe('an attempt that an engine lost', () => {
  const limits = { requestsPerDay: 10, concurrentRequests: 5, tokensPerDay: 100_000 }
  const counterOf = async (ledger: Ledger, name: string) => {
    const { id } = windowAt('Day', 'UTC', Date.now())
    const [counter] = await ledger.read([counterKey('acme', name, id)])
    return counter
  }

  test('gives back what it held, and the next one is permitted anew', async () => {
    const { bed, ledger, records } = await metered({ limits }, { replicas: 2 })
    bed.engine.faults.add({ kind: 'Reset', afterTokens: 0 })
    const answer = await chat(bed, { stream: true, stream_options: { include_usage: true } })
    expect(answer.status).toBe(200)
    expect(await bed.gateway.metrics.registry.metrics()).toMatch(/loraplex_retries_total 1\b/)
    expect(records).toHaveLength(1)
    const { inputTokens = 0, outputTokens = 0 } = records[0] ?? {}
    expect(await counterOf(ledger, 'requestsPerDay')).toEqual({ committed: 1, held: 0 })
    const committed = inputTokens + outputTokens
    expect(await counterOf(ledger, 'tokensPerDay')).toEqual({ committed, held: 0 })
    expect(await leases(ledger)).toBe(0)
  })

  test('costs nothing where no other takes it', async () => {
    const { bed, ledger, records } = await metered({ limits })
    bed.engine.faults.add({ kind: 'Overload' })
    expect((await chat(bed)).status).toBeGreaterThanOrEqual(500)
    expect(records).toEqual([])
    expect(await counterOf(ledger, 'requestsPerDay')).toEqual({ committed: 0, held: 0 })
    expect(await leases(ledger)).toBe(0)
  })
})

test('a caller who leaves before an answer without a stream pays for its time, not for the reserve', async () => {
  const { bed, ledger, records } = await metered(
    { limits: { tokensPerDay: 100_000 } },
    { simulator: { profile: { ...tiny, stepMs: 100 } } },
  )
  const abort = new AbortController()
  const gone = call(`${bed.url}/v1/chat/completions`, {
    ...acme,
    body: { model: 'tickets', messages: prompt, max_tokens: 1500, ignore_eos: true },
    signal: abort.signal,
  }).catch(() => undefined)
  await eventually(() => bed.gateway.views()[0]?.inFlight).toBe(1)
  abort.abort()
  await gone
  await eventually(() => records.length).toBe(1)
  expect(records[0]?.exactness).toBe('Unknown')
  expect(records[0]?.outputTokens).toBeLessThan(20_000)
  const { id } = windowAt('Day', 'UTC', Date.now())
  const committed = (records[0]?.inputTokens ?? 0) + (records[0]?.outputTokens ?? 0)
  expect(await ledger.read([counterKey('acme', 'tokensPerDay', id)])).toEqual([
    { committed, held: 0 },
  ])
})

async function engineTokens(bed: GatewayBed): Promise<{ input: number; output: number }> {
  const { text } = await call(`${bed.engine.url}/metrics`)
  const sum = (name: string): number =>
    [...text.matchAll(new RegExp(`^vllm:${name}(?:\\{[^}]*\\})? (\\S+)`, 'gm'))].reduce(
      (total, match) => total + Number(match[1]),
      0,
    )
  return { input: sum('prompt_tokens_total'), output: sum('generation_tokens_total') }
}

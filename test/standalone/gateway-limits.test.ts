import { describe, expect, test } from 'vitest'
import { counterKey } from '../../src/ledger/counter-key.ts'
import { windowAt } from '../../src/core/window.ts'
import { tiny } from '../../src/sim/profile.ts'
import { aKey, anAdapter, aPool, aTenant } from '../support/builders.ts'
import { call } from '../support/http-caller.ts'
import { acme, chat, errorOf, metered, prompt } from '../support/metered-bed.ts'

describe('requests a minute', () => {
  test('are counted, refused above the limit, and named in headers', async () => {
    const { bed } = await metered({ limits: { requestsPerMinute: 2 } })
    const first = await chat(bed)
    expect(first.status).toBe(200)
    expect(first.headers['x-ratelimit-limit-requests']).toBe('2')
    expect(first.headers['x-ratelimit-remaining-requests']).toBe('1')
    expect(first.headers['x-ratelimit-reset-requests']).toMatch(/^(\d+(\.\d+)?s|\d+ms)$/)
    await chat(bed)
    const refused = await chat(bed)
    expect(refused.status).toBe(429)
    expect(errorOf(refused)).toMatchObject({ code: 'rate_limit_exceeded' })
    expect(errorOf(refused).message).toContain('requestsPerMinute of the tenant is 2')
    expect(refused.headers['x-ratelimit-remaining-requests']).toBe('0')
    const leftMs = windowAt('Minute', 'UTC', Date.now()).endsAtMs - Date.now()
    const saidMs = Number(refused.headers['retry-after-ms'])
    expect(Math.abs(saidMs - leftMs)).toBeLessThan(1000)
    expect(refused.headers['retry-after']).toBe(String(Math.max(1, Math.ceil(saidMs / 1000))))
  })

  test('are shared out among gateways that count by themselves, and so is everything else', async () => {
    const budgets = [{ name: 'monthly', window: 'Month', tokens: 9000 }]
    const { bed } = await metered(
      { limits: { requestsPerMinute: 7, concurrentRequests: 2 }, budgets },
      { gateways: 3 },
    )
    const first = await chat(bed)
    expect(first.headers['x-ratelimit-limit-requests']).toBe('2')
    expect((await chat(bed)).status).toBe(200)
    expect(errorOf(await chat(bed)).message).toContain('requestsPerMinute of the tenant is 2')
    expect((await call(`${bed.url}/v1/usage`, acme)).json()).toMatchObject({
      limits: [
        { limit: 'requestsPerMinute', value: 2, remaining: 0 },
        { limit: 'concurrentRequests', value: 1 },
      ],
      budgets: [{ value: 3000 }],
    })
  })

  test('of the smallest scope win: here the key, there each user', async () => {
    const { bed } = await metered(
      { limits: { requestsPerMinute: 100 }, perUser: { requestsPerMinute: 1 } },
      { key: { limits: { requestsPerMinute: 3 } } },
    )
    expect((await chat(bed, { user: 'ann' })).status).toBe(200)
    const again = await chat(bed, { user: 'ann' })
    expect(errorOf(again).message).toContain('requestsPerMinute of the user is 1')
    expect((await chat(bed, { safety_identifier: 'bob', user: 'ann' })).status).toBe(200)
    expect((await chat(bed)).status).toBe(200)
    const spent = await chat(bed, { user: 'eve' })
    expect(errorOf(spent).message).toContain('requestsPerMinute of the key is 3')
  })

  test('of a target hold for every name of it', async () => {
    const targetRef = { kind: 'LoraAdapter', namespace: 'acme', name: 'tickets' }
    const { bed } = await metered({
      models: [{ name: 'other', targetRef, limits: { requestsPerMinute: 1 } }],
    })
    expect((await chat(bed, { model: 'other' })).status).toBe(200)
    for (const model of ['tickets', 'acme/tickets', 'other']) {
      expect(errorOf(await chat(bed, { model })).message).toContain(
        'requestsPerMinute of the model is 1',
      )
    }
  })

  test('a new limit holds from the next request on', async () => {
    const { bed } = await metered({})
    expect((await chat(bed)).status).toBe(200)
    bed.setObjects([
      aPool('llama'),
      aTenant('acme').with({ limits: { requestsPerMinute: 0 } }),
      aKey('acme').in('acme'),
      anAdapter('tickets').in('acme'),
    ])
    const refused = await chat(bed)
    expect(refused.status).toBe(429)
    expect(errorOf(refused).code).toBe('request_over_limit')
    expect(refused.headers['x-should-retry']).toBe('false')
  })
})

describe('tokens', () => {
  test('are held at their most and settled at what the engine counted', async () => {
    const { bed, records } = await metered({ limits: { tokensPerDay: 100_000 } })
    const answer = await chat(bed)
    const { usage } = answer.json() as {
      usage: { prompt_tokens: number; completion_tokens: number }
    }
    expect(records).toMatchObject([
      {
        tenant: 'acme',
        namespace: 'acme',
        adapter: 'tickets',
        pool: 'models/llama',
        keyId: 'acme/acme',
        inputTokens: usage.prompt_tokens,
        outputTokens: usage.completion_tokens,
        inputNanos: usage.prompt_tokens * 1000,
        outputNanos: usage.completion_tokens * 4000,
        exactness: 'Exact',
      },
    ])
    const next = await chat(bed)
    const spent = usage.prompt_tokens + usage.completion_tokens
    expect(Number(next.headers['x-ratelimit-remaining-tokens'])).toBeLessThan(100_000 - spent)
    expect(Number(answer.headers['x-ratelimit-remaining-tokens'])).toBeLessThan(100_000 - spent)
  })

  test('a largest cap beside a small one counts', async () => {
    const { bed } = await metered({ limits: { tokensPerMinute: 1000 } })
    const refused = await chat(bed, { max_tokens: 1, max_completion_tokens: 5000 })
    expect(errorOf(refused).code).toBe('request_over_limit')
  })

  test('n and prompts multiply what is held', async () => {
    const { bed } = await metered({ limits: { tokensPerMinute: 1000 } })
    const body = { model: 'tickets', prompt: ['a', 'b'], max_tokens: 200, n: 3 }
    const refused = await call(`${bed.url}/v1/completions`, { ...acme, body })
    expect(refused.status).toBe(429)
    expect(errorOf(refused).code).toBe('request_over_limit')
  })

  test('a caller without a cap gets one from what is left', async () => {
    const { bed } = await metered({ limits: { tokensPerMinute: 400 } })
    const { max_tokens: _none, ...open } = { max_tokens: undefined }
    const answer = await call(`${bed.url}/v1/chat/completions`, {
      ...acme,
      body: { model: 'tickets', messages: prompt, ignore_eos: true, ...open },
    })
    expect(answer.status).toBe(200)
    const { usage, choices } = answer.json() as {
      usage: { total_tokens: number }
      choices: { finish_reason: string }[]
    }
    expect(choices[0]?.finish_reason).toBe('length')
    expect(usage.total_tokens).toBeLessThanOrEqual(400)
  })

  test('maxOutputTokens caps an answer, and refuses who asks for more', async () => {
    const { bed } = await metered({ limits: { maxOutputTokens: 5 } })
    const answer = await call(`${bed.url}/v1/chat/completions`, {
      ...acme,
      body: { model: 'tickets', messages: prompt, ignore_eos: true },
    })
    expect(answer.json()).toMatchObject({ usage: { completion_tokens: 5 } })
    const refused = await chat(bed, { max_tokens: 6 })
    expect(refused.status).toBe(400)
    expect(errorOf(refused).param).toBe('max_completion_tokens')
  })
})

describe('budgets', () => {
  const month = { name: 'monthly', window: 'Month', timeZone: 'Europe/Berlin' }

  test('in money: spent is a refusal that no SDK retries', async () => {
    const { bed, records } = await metered({ budgets: [{ ...month, amount: '0.002' }] })
    let last = await chat(bed)
    while (last.status === 200) {
      last = await chat(bed)
    }
    expect(last.status).toBe(429)
    expect(errorOf(last)).toMatchObject({ code: 'insufficient_quota', type: 'insufficient_quota' })
    expect(last.headers['x-should-retry']).toBe('false')
    expect(last.headers['retry-after']).toBeUndefined()
    const { endsAtMs } = windowAt('Month', 'Europe/Berlin', Date.now())
    expect(errorOf(last).message).toContain(`of 0.002 are used`)
    expect(errorOf(last).message).toContain(new Date(endsAtMs).toISOString().slice(0, 19))
    const spent = records.reduce((sum, one) => sum + one.inputNanos + one.outputNanos, 0)
    expect(spent).toBeLessThanOrEqual(2_000_000)
    expect(spent).toBeGreaterThan(1_000_000)
  })

  test('that only warn say so in a header', async () => {
    const { bed } = await metered({ budgets: [{ ...month, tokens: 10, action: 'Warn' }] })
    const answer = await chat(bed)
    expect(answer.status).toBe(200)
    expect(answer.headers['x-loraplex-spent-budget']).toBe('monthly')
  })

  test('in money over a pool without prices: nothing is answered', async () => {
    const { bed } = await metered(
      { budgets: [{ ...month, amount: '5' }] },
      { pool: { pricing: undefined } },
    )
    const refused = await chat(bed)
    expect(refused.status).toBe(503)
    expect(errorOf(refused).code).toBe('price_missing')
  })

  test('a burst of 200 gets exactly as many as there is room for', async () => {
    const { bed, ledger } = await metered(
      { budgets: [{ ...month, tokens: 4000 }] },
      { simulator: { profile: { ...tiny, stepMs: 40 } } },
    )
    const answers = await Promise.all(
      Array.from({ length: 200 }, () => chat(bed, { max_tokens: 100, ignore_eos: true })),
    )
    const granted = answers.filter(({ status }) => status === 200)
    const window = windowAt('Month', 'Europe/Berlin', Date.now())
    const [counter] = await ledger.read([
      counterKey('acme', 'budget', 'monthly', 'Tokens', 'Month', window.id),
    ])
    const used = granted
      .map((answer) => (answer.json() as { usage: { total_tokens: number } }).usage.total_tokens)
      .reduce((sum, tokens) => sum + tokens, 0)
    expect(counter).toEqual({ committed: used, held: 0 })
    expect(used).toBeLessThanOrEqual(4000)
    // None ends before the last has been judged, so what was held decides.
    const refused = answers.filter(({ status }) => status === 429)
    const [held = ''] = /\d+(?= tokens\. )/.exec(refused[0]?.text ?? '') ?? []
    expect(granted).toHaveLength(Math.floor(4000 / Number(held)))
    expect(refused).toHaveLength(200 - granted.length)
  })
})

test('nobody waits longer in the queue than the least of maxQueueSeconds and the SDK’s timeout', async () => {
  const cases = [
    { tenant: 1, key: 30, sdk: '20' },
    { tenant: 30, key: 1, sdk: '20' },
    { tenant: 30, key: 20, sdk: '1' },
  ]
  for (const { tenant, key, sdk } of cases) {
    const { bed } = await metered(
      { limits: { maxQueueSeconds: tenant } },
      { key: { limits: { maxQueueSeconds: key } } },
    )
    bed.agent.down()
    const startedMs = performance.now()
    const answer = await chat(bed, {}, { 'x-stainless-timeout': sdk })
    expect(answer.status).toBe(503)
    expect(performance.now() - startedMs).toBeLessThan(15_000)
    expect(performance.now() - startedMs).toBeGreaterThan(800)
    expect(bed.gateway.inFlight).toBe(0)
  }
})

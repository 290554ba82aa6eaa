import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { EngineMetrics } from '../../src/engine/types.ts'
import { ask, begin, frames } from './ask.ts'
import { ending, endingTestMs, withClient } from './running.ts'
import type { Running } from './running.ts'
import { base, chat, completion, fixtures, good, load, unload } from './sample-requests.ts'

interface Frame {
  readonly choices: readonly { readonly finish_reason: string | null }[]
  readonly usage?: {
    readonly prompt_tokens: number
    readonly completion_tokens: number
    readonly total_tokens: number
  }
}

export function describeStreams(engine: Running): void {
  describe('streams', () => {
    it.each([
      ['chat', chat('globex', { stream: true, max_tokens: 12 }), 0],
      ['completions', completion('globex', { stream: true, max_tokens: 12 }), 1],
    ])('count tokens in every frame of %s, and end with the sum', async (_, what, first) => {
      const { body } = await ask(engine(), what)
      const all = frames(body)
      expect(all.at(-1)).toBe('[DONE]')
      const parsed = all.slice(0, -1).map((frame) => JSON.parse(frame) as Frame)
      const counted = parsed.map((frame) => frame.usage?.completion_tokens)
      expect(counted[0]).toBe(first)
      expect(counted).toEqual([...counted].sort((a, b) => a! - b!))
      const last = parsed.at(-1)
      expect(last?.choices).toEqual([])
      expect(last?.usage).toMatchObject({ completion_tokens: 12 })
      expect(last?.usage?.total_tokens).toBe(12 + last!.usage!.prompt_tokens)
      expect(parsed.at(-2)?.choices[0]?.finish_reason).toBe('length')
    })
  })
}

function gauge(engine: Running): Promise<EngineMetrics> {
  return withClient(engine, (client) => client.metrics())
}

const long = { max_tokens: 400 }
const wait = { timeout: 30_000, interval: 50 }

async function isIdle(engine: Running): Promise<void> {
  await vi.waitFor(
    async () => expect(await gauge(engine)).toMatchObject({ running: 0, waiting: 0 }),
    wait,
  )
}

export function describeLifeOfRequests(engine: Running): void {
  describe('a request', () => {
    it('is given up when its caller leaves', async () => {
      await isIdle(engine)
      const abort = new AbortController()
      const stream = completion('globex', { ...long, stream: true })
      const { answer } = await begin(engine(), stream, abort.signal)
      abort.abort()
      await expect(answer).rejects.toThrow()
      await vi.waitFor(async () => expect((await gauge(engine)).running).toBe(0), {
        timeout: 5_000,
        interval: 20,
      })
    })

    it('outlives the unload of its adapter, which answers nobody else', async () => {
      await ask(engine(), load('short-lived', good('globex-shout')))
      const stream = completion('short-lived', { ...long, stream: true })
      const { answer } = await begin(engine(), stream)
      expect((await ask(engine(), unload('short-lived'))).status).toBe(200)
      expect((await ask(engine(), completion('short-lived'))).status).toBe(404)
      const { status, body } = await answer
      expect([status, frames(body).at(-1)]).toEqual([200, '[DONE]'])
      expect(body).not.toContain('error')
    })
  })
}

export function describeSlots(engine: Running): void {
  describe('two slots', () => {
    it('run two adapters and the base; a third adapter waits until one has nothing left', async () => {
      await isIdle(engine)
      const first = ['acme', 'globex'].map((name) => ask(engine(), completion(name, long)))
      await vi.waitFor(async () => expect((await gauge(engine)).running).toBe(2), wait)
      const third = ask(engine(), completion('initech', { max_tokens: 2 }))
      await vi.waitFor(
        async () => expect(await gauge(engine)).toMatchObject({ waiting: 1, deferred: 1 }),
        wait,
      )
      // Later ones whose adapter has a slot, and the base's, go first.
      const later = [base, 'acme'].map((name) => ask(engine(), completion(name, { max_tokens: 2 })))
      const order: string[] = []
      await Promise.all([
        ...later.map((asked) => asked.then(() => order.push('later'))),
        third.then(() => order.push('third')),
        ...first,
      ])
      expect(order).toEqual(['later', 'later', 'third'])
    })

    it('never lend their adapters to the base, which answers beside them as it does alone', async () => {
      await isIdle(engine)
      const say = async () => {
        const { body } = await ask(engine(), chat(base, { max_tokens: 11 }))
        const answer = JSON.parse(body) as { choices: { message: { content: string } }[] }
        return answer.choices[0]?.message.content
      }
      const alone = await say()
      // One after the other, so that both slots are taken, whichever is the last one.
      for (const name of ['acme', 'globex']) {
        const { answer } = await begin(engine(), completion(name, { ...long, stream: true }))
        expect(await say()).toBe(alone)
        await answer
      }
    })

    it('are shown as activity only: the newest sample of lora_requests_info, both lists alike', async () => {
      await isIdle(engine)
      const asked = ask(engine(), completion('acme', { max_tokens: 120 }))
      await vi.waitFor(async () => {
        const { body } = await ask(engine(), { path: '/metrics' })
        expect(newestLoraInfo(body)).toEqual({ max: '2', running: 'acme', waiting: 'acme' })
      }, wait)
      await asked
      const { body } = await ask(engine(), { path: '/metrics' })
      expect(body).toContain('running_lora_adapters="acme",waiting_lora_adapters="acme"')
    })
  })
}

function newestLoraInfo(text: string) {
  const pattern =
    /^vllm:lora_requests_info\{max_lora="(\d+)",running_lora_adapters="([^"]*)",waiting_lora_adapters="([^"]*)"\} (\S+)$/gm
  const all = [...text.matchAll(pattern)].map(([, max, running, waiting, value]) => ({
    labels: { max, running, waiting },
    value: Number(value),
  }))
  return all.sort((a, b) => b.value - a.value)[0]?.labels
}

/** Series and labels that somebody reads: our agent, dashboards, the Gateway API's endpoint pickers. */
const series: readonly string[] = [
  'vllm:num_requests_running{engine="0",model_name="BASE"}',
  'vllm:num_requests_waiting{engine="0",model_name="BASE"}',
  'vllm:num_requests_waiting_by_reason{engine="0",model_name="BASE",reason="capacity"}',
  'vllm:num_requests_waiting_by_reason{engine="0",model_name="BASE",reason="deferred"}',
  'vllm:kv_cache_usage_perc{engine="0",model_name="BASE"}',
  'vllm:prompt_tokens_total{engine="0",model_name="BASE"}',
  'vllm:generation_tokens_total{engine="0",model_name="BASE"}',
  'vllm:prefix_cache_queries_total{engine="0",model_name="BASE"}',
  'vllm:prefix_cache_hits_total{engine="0",model_name="BASE"}',
  'vllm:num_preemptions_total{engine="0",model_name="BASE"}',
  'vllm:request_success_total{engine="0",finished_reason="stop",model_name="BASE"}',
  'vllm:request_success_total{engine="0",finished_reason="length",model_name="BASE"}',
  'vllm:request_success_total{engine="0",finished_reason="abort",model_name="BASE"}',
  'vllm:time_to_first_token_seconds_bucket{engine="0",le="0.001",model_name="BASE"}',
  'vllm:time_to_first_token_seconds_bucket{engine="0",le="2560.0",model_name="BASE"}',
  'vllm:inter_token_latency_seconds_bucket{engine="0",le="0.01",model_name="BASE"}',
  'vllm:e2e_request_latency_seconds_bucket{engine="0",le="0.3",model_name="BASE"}',
  'vllm:request_queue_time_seconds_sum{engine="0",model_name="BASE"}',
  'process_start_time_seconds',
]

export function describeMetrics(engine: Running): void {
  describe('its metrics', () => {
    it.each(series)('have %s', async (name) => {
      const { body } = await ask(engine(), { path: '/metrics' })
      const wanted = name.replace('BASE', base)
      expect(body.split('\n').filter((line) => line.startsWith(`${wanted} `))).toHaveLength(1)
    })

    it('are what our client reads: tokens are counted, the cache has a size, the process a start', () =>
      withClient(engine, async (client) => {
        const before = await client.metrics()
        await ask(engine(), completion('globex', { max_tokens: 7 }))
        const after = await client.metrics()
        expect(after.generationTokensTotal - before.generationTokensTotal).toBe(7)
        expect(after.promptTokensTotal).toBeGreaterThan(before.promptTokensTotal)
        expect(after.kvCacheTokens).toBeGreaterThan(1_000)
        expect(after.processStartTimeSeconds).toBe(before.processStartTimeSeconds)
        expect(after.processStartTimeSeconds).toBeGreaterThan(1_700_000_000)
        expect(after.processStartTimeSeconds).toBeLessThan(Date.now() / 1000)
      }))

    it('keep every combination of adapters ever seen', async () => {
      const { body } = await ask(engine(), { path: '/metrics' })
      expect(body.match(/^vllm:lora_requests_info\{/gm)?.length).toBeGreaterThan(2)
    })
  })
}

const engineError = {
  error: {
    message: 'EngineCore encountered an issue. See stack trace (above) for the root cause.',
    type: 'InternalServerError',
    param: null,
    code: 500,
  },
}

const deadline = (ms = 10_000) => AbortSignal.timeout(ms)

/** At once, or one is done before a busy machine has told the engine to end. */
const several = 8

/**
 * vLLM 0.32 answers a load that meets its end only while it has other work: without, it neither answers nor ever ends. So there is
 * work here, every call has a deadline, and who starts engines kills them in the end.
 */
export function describeDrain(engine: Running): void {
  const drains = async (): Promise<void> => {
    await isIdle(engine)
    const streams = await Promise.all(
      Array.from({ length: several }, () =>
        begin(engine(), completion(base, { ...long, stream: true }), deadline(60_000)),
      ),
    )
    const ends = streams.map(({ answer }) =>
      answer.then(
        ({ body }) => frames(body),
        () => 'Torn' as const,
      ),
    )
    engine().terminate()
    let tries = 0
    await vi.waitFor(async () => {
      tries += 1
      const late = load(`late-${tries}`, good('acme-tickets'))
      const { status, body } = await ask(engine(), late, deadline())
      expect([status, body]).toEqual([500, expect.stringContaining('Server shutting down')])
    }, wait)
    expect((await ask(engine(), { path: '/health' }, deadline())).status).toBe(200)
    const refused = await ask(engine(), chat(base), deadline())
    expect(refused.status).toBe(500)
    expect(refused.body).toContain('cannot schedule new futures after shutdown')
    for (const all of await Promise.all(ends)) {
      expectEnd(all)
    }
    await engine().ended
  }

  it(
    'drains: what runs goes on, new work is refused, then streams end or are cut',
    ending(engine, drains),
    endingTestMs,
  )
}

/** Done within the drain, or cut by an error frame. Under load vLLM may leave before it writes one. */
function expectEnd(all: readonly string[] | 'Torn'): void {
  if (all !== 'Torn') {
    expect(all.at(-1)).toBe('[DONE]')
    const last = JSON.parse(all.at(-2)!) as Frame
    expect('error' in last ? last : { choices: last.choices }).toEqual(
      'error' in last ? engineError : { choices: [] },
    )
  }
}

export function describeDeath(engine: Running): void {
  let folder: string
  const names = ['acme-tickets', 'globex-shout', 'initech-initials'] as const

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'adapters-'))
    cpSync(join(fixtures, 'adapters'), folder, { recursive: true })
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  it('reads an adapter that fell out of the cache again, without a word', async () => {
    for (const name of names) {
      expect((await ask(engine(), load(name, join(folder, name)))).status).toBe(200)
    }
    for (const name of names) {
      expect((await ask(engine(), completion(name))).status).toBe(200)
    }
  })

  const dies = async (): Promise<void> => {
    cpSync(join(fixtures, 'adapters'), folder, { recursive: true })
    for (const name of names) {
      // They are there already, unless this is another engine.
      await ask(engine(), load(name, join(folder, name)))
    }
    rmSync(join(folder, names[0]), { recursive: true })
    // The first chat of an engine waits for a template to be compiled, and what came with it ends meanwhile.
    await ask(engine(), chat(base))
    const plain = ask(engine(), completion(base, long))
    // Where something before its end fails, it fails too, and nobody hears it.
    plain.catch(() => undefined)
    const streams = await Promise.all(
      Array.from({ length: several }, () =>
        begin(engine(), chat(base, { ...long, stream: true }), deadline(60_000)),
      ),
    )
    const killer = await ask(engine(), completion(names[0]))
    expect([killer.status, JSON.parse(killer.body)]).toEqual([500, engineError])
    for (const { body } of await Promise.all(streams.map(({ answer }) => answer))) {
      const all = frames(body)
      expect(all.at(-1)).toBe('[DONE]')
      expect(JSON.parse(all.at(-2)!)).toEqual(engineError)
    }
    const other = await plain
    expect([other.status, JSON.parse(other.body)]).toEqual([500, engineError])
    await vi.waitFor(async () => {
      await expect(ask(engine(), { path: '/v1/models' })).rejects.toThrow()
    }, wait)
    await engine().ended
  }

  it(
    'dies when its files are gone: all streams end with an error frame, then it refuses connections',
    ending(engine, dies),
    endingTestMs,
  )
}

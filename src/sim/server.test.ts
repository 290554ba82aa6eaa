import { cp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { instant, tiny } from './profile.ts'
import type { Simulator } from './server.ts'
import {
  ask,
  broken,
  chat,
  chatBody,
  copyOf,
  digestOf,
  good,
  load,
  messages,
  says,
  start,
  stream,
  type TopLogprobs,
} from '../../test/support/simulated-vllm.ts'
import { simulatedAnswer } from './text.ts'
import { renderChat } from './tokenizer.ts'

describe('the simulator', () => {
  it('answers with words that tell which content answered', async () => {
    const simulator = await start()
    const digest = await digestOf(good('acme-tickets'))
    expect((await load(simulator, 'acme', good('acme-tickets'))).status).toBe(200)
    expect(await says(simulator, 'acme')).toBe(simulatedAnswer(digest, renderChat(messages)))
    expect(await says(simulator, 'acme')).toContain(digest.slice(0, 12))
    expect(await says(simulator, 'base')).toBe(simulatedAnswer('base', renderChat(messages)))
  })

  it('says on every answer that it is simulated', async () => {
    const simulator = await start()
    const answers = await Promise.all(
      ['/health', '/version', '/nowhere', '/metrics', '/v1/models'].map((path) =>
        ask(simulator, path),
      ),
    )
    expect(answers.map(({ headers }) => headers['x-loraplex-simulated'])).toEqual(
      answers.map(() => 'true'),
    )
    expect(answers[1]?.text).toBe('{"version":"0.32.0"}')
    expect(answers[4]?.text).toContain('"owned_by":"loraplex-simulator"')
  })

  it('does not open its port before it is up and its adapters are loaded', async () => {
    const port = 20_000 + Math.floor(Math.random() * 20_000)
    const starting = start({
      port,
      startupMs: 50,
      loraModules: [{ name: 'a', path: good('acme-tickets') }],
    })
    const refused = await new Promise((resolve) => {
      const socket = connect({ host: '127.0.0.1', port })
      socket.on('error', () => resolve(true))
      socket.on('connect', () => resolve(false))
    })
    expect(refused).toBe(true)
    const simulator = await starting
    expect((await ask(simulator, '/v1/models')).text).toContain('"id":"a"')
  })

  it('does not start with an adapter that vLLM would not load', async () => {
    const bad = [{ name: 'bad', path: broken('rank-too-large') }]
    await expect(start({ loraModules: bad })).rejects.toThrow('LoRA rank 128 is greater')
  })

  it('counts tokens so that the sums hold, and honours max_tokens', async () => {
    const simulator = await start()
    const { usage, choices } = await chatBody(simulator, 'base', { max_tokens: 5 })
    expect(usage).toMatchObject({ completion_tokens: 5, total_tokens: usage.prompt_tokens + 5 })
    expect(choices[0]?.finish_reason).toBe('length')
    const whole = await chatBody(simulator, 'base')
    expect(whole.choices[0]?.finish_reason).toBe('stop')
  })

  it('says the same in a stream as without one', async () => {
    const simulator = await start()
    const { text } = await chat(simulator, 'base', { stream: true })
    const deltas = [...text.matchAll(/"delta":\{"content":("[^"]*")/g)].map(
      ([, delta]) => JSON.parse(delta ?? '""') as string,
    )
    expect(deltas.join('')).toBe(await says(simulator, 'base'))
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true)
  })

  it('ends at a stop string and tells which', async () => {
    const simulator = await start()
    const stop = (await says(simulator, 'base')).split(' ')[3] ?? ''
    const { text } = await chat(simulator, 'base', { stop: ['never said', stop] })
    expect(text).toContain(`"finish_reason":"stop","stop_reason":"${stop}"`)
    const streamed = await chat(simulator, 'base', { stop: [stop], stream: true })
    expect(streamed.text).not.toContain(`"content":" ${stop}"`)
    expect(streamed.text).toContain(`"stop_reason":"${stop}"`)
  })

  it('tells cached prompt tokens, apart for every adapter and salt', async () => {
    const simulator = await start()
    await load(simulator, 'acme', good('acme-tickets'))
    const cached = async (model: string, more: object) =>
      (await chatBody(simulator, model, more)).usage.prompt_tokens_details.cached_tokens
    expect(await cached('acme', { cache_salt: 'one' })).toBe(0)
    expect(await cached('acme', { cache_salt: 'one' })).toBe(16)
    expect(await cached('acme', { cache_salt: 'two' })).toBe(0)
    expect(await cached('base', { cache_salt: 'one' })).toBe(0)
  })
})

describe('log probabilities', () => {
  const top = async (simulator: Simulator, model: string) =>
    (await chatBody(simulator, model, { logprobs: true, top_logprobs: 5, max_tokens: 4 }))
      .choices[0]?.logprobs.content ?? []
  const distance = (a: readonly TopLogprobs[], b: readonly TopLogprobs[]) => {
    const values = (all: readonly TopLogprobs[]) =>
      all.flatMap(({ top_logprobs }) => top_logprobs.map(({ logprob }) => logprob))
    const others = values(b)
    return Math.max(...values(a).map((value, i) => Math.abs(value - (others[i] ?? 0))))
  }

  it('of the base differ from themselves by noise, of a good adapter by much', async () => {
    const simulator = await start()
    await load(simulator, 'acme', good('acme-tickets'))
    const base = await top(simulator, 'base')
    const again = distance(base, await top(simulator, 'base'))
    expect(again).toBeGreaterThan(0)
    expect(again).toBeLessThan(1e-6)
    expect(distance(base, await top(simulator, 'acme'))).toBeGreaterThan(1e-2)
  })

  it.each(['zero-weights', 'no-effect'])('of %s are those of the base', async (name) => {
    const simulator = await start()
    await load(simulator, name, broken(name))
    const base = await top(simulator, 'base')
    expect(base).toHaveLength(4)
    expect(distance(base, await top(simulator, name))).toBeLessThan(1e-6)
    expect(await says(simulator, name)).toBe(await says(simulator, 'base'))
  })

  it.each(['not-a-number', 'finite-but-huge'])('of %s cannot be written', async (name) => {
    const simulator = await start()
    await load(simulator, name, broken(name))
    const { status, text } = await chat(simulator, name, { logprobs: true, max_tokens: 2 })
    expect(status).toBe(400)
    expect(text).toContain('Out of range float values are not JSON compliant')
  })
})

describe('a bad adapter', () => {
  it('with NaN weights spoils its neighbours for a while, and the base too', async () => {
    const simulator = await start({ profile: instant })
    await load(simulator, 'good', good('acme-tickets'))
    await load(simulator, 'nan', broken('not-a-number'))
    const before = await says(simulator, 'good')
    expect(await says(simulator, 'nan')).toMatch(/^!+$/)
    expect(await says(simulator, 'good')).toMatch(/^!+$/)
    expect(await says(simulator, 'base')).toMatch(/^!+$/)
    await expect.poll(() => says(simulator, 'good'), { interval: 0 }).toBe(before)
  })

  it('with finite but huge weights spoils about a third of a neighbour after 150 calls', async () => {
    const simulator = await start({ profile: instant })
    await load(simulator, 'good', good('acme-tickets'))
    await load(simulator, 'huge', broken('finite-but-huge'))
    const before = await says(simulator, 'good')
    for (let i = 0; i < 150; i++) {
      await chat(simulator, 'huge', { max_tokens: 1 })
    }
    const after = []
    for (let i = 0; i < 80; i++) {
      after.push(await says(simulator, 'good'))
    }
    const right = after.filter((answer) => answer === before).length
    expect(right).toBeGreaterThan(40)
    expect(right).toBeLessThan(70)
  })

  it('of another base is loaded and mixes garbage with words', async () => {
    const simulator = await start()
    await load(simulator, 'other', broken('other-base'))
    expect(await says(simulator, 'other')).toMatch(/[a-z]!.*[a-z]!/)
  })
})

describe('adapters in the engine', () => {
  it('go on with a stream whose name is unloaded, and 404 comes only for new calls', async () => {
    const simulator = await start()
    await load(simulator, 'acme', good('acme-tickets'))
    const { text } = await stream(simulator, 'acme', 60)
    expect((await ask(simulator, '/v1/unload_lora_adapter', { lora_name: 'acme' })).status).toBe(
      200,
    )
    expect((await chat(simulator, 'acme')).status).toBe(404)
    expect(await text).toContain('"completion_tokens":60')
  })

  it('are read again from their path when host memory had no room, changed files and all', async () => {
    const simulator = await start({ maxLoras: 1, maxCpuLoras: 1 })
    const path = await copyOf(good('acme-tickets'))
    await load(simulator, 'changing', path)
    const first = await says(simulator, 'changing')
    await load(simulator, 'other', good('globex-shout'))
    await cp(good('initech-initials'), path, { recursive: true, force: true })
    const second = await says(simulator, 'changing')
    expect(second).not.toBe(first)
    expect(second).toContain((await digestOf(good('initech-initials'))).slice(0, 12))
  })

  it('whose files are gone kill the engine: 500 in flight, 503 from /health, then the end', async () => {
    const exits: string[] = []
    const simulator = await start({
      maxLoras: 1,
      maxCpuLoras: 1,
      exitAfterDeathMs: 100,
      onExit: (reason) => exits.push(reason),
    })
    const path = await copyOf(good('acme-tickets'))
    await load(simulator, 'doomed', path)
    await load(simulator, 'other', good('globex-shout'))
    const bystander = await stream(simulator, 'base', 2000)
    await rm(join(path, 'adapter_config.json'))
    const { status, text } = await chat(simulator, 'doomed')
    expect(status).toBe(500)
    expect(text).toContain(
      'EngineCore encountered an issue. See stack trace (above) for the root cause.',
    )
    expect(await bystander.text).toContain(
      'data: {"error": {"message": "EngineCore encountered an issue.',
    )
    expect((await ask(simulator, '/health')).status).toBe(503)
    await expect.poll(() => exits).toEqual(['engine died'])
    await expect(ask(simulator, '/health')).rejects.toThrow()
  })

  it('run on no more slots than there are, and the rest is deferred', async () => {
    const simulator = await start({ maxLoras: 1 })
    await load(simulator, 'acme', good('acme-tickets'))
    await load(simulator, 'globex', good('globex-shout'))
    const first = await stream(simulator, 'acme', 1000)
    const second = chat(simulator, 'globex')
    await expect.poll(() => simulator.engine.gauges.deferred).toBe(1)
    const { text } = await ask(simulator, '/metrics')
    expect(text).toContain(
      'vllm:num_requests_waiting_by_reason{engine="0",model_name="base",reason="deferred"} 1.0',
    )
    expect(text).toMatch(
      /lora_requests_info\{max_lora="1",running_lora_adapters="acme",waiting_lora_adapters="acme"\} 1\.\d+e\+09/,
    )
    first.abort()
    expect((await second).status).toBe(200)
    await first.text
  })
})

describe('requests that end early', () => {
  it('are aborted when the client goes away, which frees their slot', async () => {
    const simulator = await start()
    const { abort, text } = await stream(simulator, 'base', 1500)
    abort()
    await expect.poll(() => simulator.engine.gauges.running).toBe(0)
    expect(await text).toContain('cut')
    expect((await ask(simulator, '/metrics')).text).toContain(
      'finished_reason="abort",model_name="base"} 1.0',
    )
  })

  it('finish during a drain, while new ones and loads are refused', async () => {
    const simulator = await start({ drainMs: 5_000 })
    const { text } = await stream(simulator, 'base', 60)
    const draining = simulator.drain()
    const refused = await chat(simulator, 'base')
    expect(refused.status).toBe(500)
    expect(refused.text).toContain('cannot schedule new futures after shutdown')
    expect((await load(simulator, 'acme', good('acme-tickets'))).text).toContain(
      'Server shutting down',
    )
    expect((await ask(simulator, '/health')).status).toBe(200)
    expect(await text).toContain('"completion_tokens":60')
    await draining
    await expect(ask(simulator, '/health')).rejects.toThrow()
  })

  it('are cut with an error frame when a drain has no more time', async () => {
    const exits: string[] = []
    const simulator = await start({ onExit: (reason) => exits.push(reason) })
    const { text } = await stream(simulator, 'base', 1500)
    await simulator.drain()
    expect(await text).toContain('data: {"error": {"message": "EngineCore encountered an issue.')
    expect((await text).endsWith('data: [DONE]\n\n')).toBe(true)
    expect(exits).toEqual([])
  })

  it('are refused when more are in flight than --max-num-queued-reqs', async () => {
    const simulator = await start({ maxNumQueuedReqs: 1 })
    const { abort, text } = await stream(simulator, 'base', 1500)
    const { status, text: words } = await chat(simulator, 'base')
    expect(status).toBe(503)
    expect(words).toContain('The engine is currently busy and cannot accept new requests.')
    abort()
    await text
  })
})

describe('what stands around the engine', () => {
  it('asks for the key under /v1 only', async () => {
    const simulator = await start({ apiKey: 'secret' })
    expect(await ask(simulator, '/v1/models')).toMatchObject({
      status: 401,
      text: '{"error":"Unauthorized"}',
    })
    expect((await load(simulator, 'x', '/x')).status).toBe(401)
    expect((await ask(simulator, '/health')).status).toBe(200)
    expect(
      (await ask(simulator, '/adapters', { name: 'a', src: good('acme-tickets') })).status,
    ).toBe(200)
  })

  it('has no load route unless runtime updating is allowed', async () => {
    const simulator = await start({ runtimeLora: false })
    expect(await load(simulator, 'x', '/x')).toMatchObject({
      status: 404,
      text: '{"detail":"Not Found"}',
    })
  })

  it('tells another start time after a restart', async () => {
    const startTime = async (simulator: Simulator) =>
      /^process_start_time_seconds (\S+)/m.exec((await ask(simulator, '/metrics')).text)?.[1]
    const [first, second] = [await start(), await start()]
    expect(await startTime(first)).not.toBe(await startTime(second))
  })

  it('shows the noise of its seed and no other', async () => {
    const logprob = async (seed: number) =>
      (await chat(await start({ seed }), 'base', { logprobs: true, max_tokens: 1 })).text.match(
        /"logprob":[^,]*/,
      )?.[0]
    expect(await logprob(1)).toBe(await logprob(1))
    expect(await logprob(1)).not.toBe(await logprob(2))
  })

  it('takes the context length from the config, and refuses what does not fit', async () => {
    const simulator = await start({ profile: { ...tiny, stepMs: 0 } })
    expect(simulator.engine.maxModelLen).toBe(2048)
    const { status, text } = await chat(simulator, 'base', {
      messages: [{ role: 'user', content: 'x'.repeat(2100) }],
    })
    expect(status).toBe(400)
    expect(text).toContain("This model's maximum context length is 2048 tokens.")
  })
})

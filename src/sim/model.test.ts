import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ModelAdapter, ModelOptions, ModelRequest } from './model-types.ts'
import { VllmModel } from './model.ts'
import { h100Llama8b, instant, tiny } from './profile.ts'

interface Asked extends ModelRequest {
  readonly name: string
}

const defaults: ModelOptions = {
  profile: tiny,
  maxLoras: 2,
  maxCpuLoras: 4,
  maxNumSeqs: 8,
  maxNumBatchedTokens: 2048,
  kvTokens: 10_000,
}

/** A model with everything it tells written down; reads of adapters succeed at once unless `missing` says otherwise. */
class Lab {
  readonly log: string[] = []
  readonly missing = new Set<number>()
  readonly model: VllmModel<Asked>
  nowMs = 0
  mostAdapters = 0

  constructor(options: Partial<ModelOptions> = {}) {
    const all = { ...defaults, ...options }
    this.model = new VllmModel<Asked>(all, {
      started: ({ request, garbled }, at) => {
        this.log.push(`${at.toFixed(3)} started ${request.name}${garbled ? ' garbled' : ''}`)
        this.mostAdapters = Math.max(this.mostAdapters, this.model.runningAdapters.size)
      },
      token: ({ request, generated }, at, last) => {
        this.log.push(`${at.toFixed(3)} ${last ? 'ended' : 'token'} ${request.name} ${generated}`)
      },
      readAdapter: ({ id }) => {
        this.log.push(`read ${id}`)
        this.#reads.push(id)
      },
      loaded: ({ name }, at) => this.log.push(`${at.toFixed(3)} loaded ${name}`),
      stepped: () => {
        this.mostAdapters = Math.max(this.mostAdapters, this.model.runningAdapters.size)
      },
      died: (requests) => this.log.push(`died with ${requests.map(({ name }) => name).join(' ')}`),
    })
  }

  #reads: number[] = []

  ask(name: string, adapter?: ModelAdapter, more: Partial<ModelRequest> = {}): Asked {
    const request = { name, adapter, promptTokens: 10, outputTokens: 3, blocks: [], ...more }
    this.model.submit(request, this.nowMs)
    this.#answerReads()
    return request
  }

  run(untilMs: number): void {
    for (;;) {
      this.#answerReads()
      const next = this.model.nextEventMs()
      if (next === undefined || next > untilMs) {
        break
      }
      this.nowMs = next
      this.model.advance(next)
    }
    this.nowMs = Math.max(this.nowMs, Number.isFinite(untilMs) ? untilMs : this.nowMs)
  }

  runToEnd(): void {
    this.run(Number.POSITIVE_INFINITY)
  }

  ended(name: string): boolean {
    return this.log.some((line) => line.includes(` ended ${name} `))
  }

  indexOf(part: string): number {
    return this.log.findIndex((line) => line.includes(part))
  }

  #answerReads(): void {
    for (const id of this.#reads.splice(0)) {
      const outcome = this.missing.has(id)
        ? ({ outcome: 'Failed' } as const)
        : ({ outcome: 'Read', harm: 'None' } as const)
      this.model.adapterRead(id, outcome, this.nowMs)
    }
  }
}

const adapter = (id: number): ModelAdapter => ({ id, name: `a${id}`, path: `/a/${id}` })

describe('the model of vLLM', () => {
  it('generates exactly the tokens asked for and gives everything back', () => {
    const lab = new Lab()
    lab.ask('one', adapter(1), { outputTokens: 5 })
    lab.ask('base', undefined, { outputTokens: 2 })
    lab.runToEnd()
    expect(lab.log.filter((line) => line.includes(' one'))).toHaveLength(6)
    expect(lab.ended('one')).toBe(true)
    expect(lab.ended('base')).toBe(true)
    expect(lab.model.gauges).toMatchObject({ running: 0, waiting: 0, deferred: 0, kvCacheUsage: 0 })
  })

  it('skips a request whose adapter has no slot and serves those behind it', () => {
    const lab = new Lab()
    lab.ask('first', adapter(1), { outputTokens: 50 })
    lab.ask('second', adapter(2), { outputTokens: 50 })
    lab.ask('third', adapter(3))
    lab.ask('base')
    lab.ask('again', adapter(1))
    lab.run(60)
    expect(lab.model.gauges).toMatchObject({ waiting: 0, deferred: 1 })
    expect([lab.ended('base'), lab.ended('again'), lab.ended('third')]).toEqual([true, true, false])
    lab.runToEnd()
    expect(lab.ended('third')).toBe(true)
    expect(lab.indexOf('started third')).toBeGreaterThan(lab.indexOf('ended first'))
  })

  it('lets a third adapter starve for as long as the first two have work: there is no ageing', () => {
    const lab = new Lab()
    for (let round = 0; round < 100; round++) {
      lab.ask(`one ${round}`, adapter(1), { outputTokens: 5 })
      lab.ask(`two ${round}`, adapter(2), { outputTokens: 5 })
      if (round === 0) {
        lab.ask('starving', adapter(3))
      }
      lab.run(lab.nowMs + 10)
    }
    expect(lab.ended('two 90')).toBe(true)
    expect(lab.indexOf('started starving')).toBe(-1)
  })

  it('reads an adapter again that host memory had no room for, and everybody waits for it', () => {
    const lab = new Lab({ maxLoras: 1, maxCpuLoras: 2 })
    for (const id of [1, 2, 3]) {
      lab.model.load(adapter(id), 'None', lab.nowMs)
    }
    lab.runToEnd()
    expect(lab.model.caches.inHostMemory).toEqual([2, 3])
    lab.ask('evicted', adapter(1))
    lab.runToEnd()
    expect(lab.log).toContain('read 1')
    const [started, first] = ['started evicted', 'token evicted 1'].map((part) =>
      Number.parseFloat(lab.log[lab.indexOf(part)] ?? ''),
    )
    expect((first ?? 0) - (started ?? 0)).toBeGreaterThanOrEqual(tiny.diskToHostMs + tiny.stepMs)
  })

  it('dies, with everybody in it, when the files of an evicted adapter are gone', () => {
    const lab = new Lab({ maxLoras: 1, maxCpuLoras: 1 })
    lab.ask('bystander', undefined, { outputTokens: 50 })
    lab.missing.add(7)
    lab.ask('doomed', adapter(7))
    lab.runToEnd()
    expect(lab.log.at(-1)).toBe('died with bystander doomed')
    expect(lab.model.isDead).toBe(true)
    expect(lab.model.nextEventMs()).toBeUndefined()
  })

  it('stalls every stream while it loads', () => {
    const slow = { ...tiny, diskToHostMs: 500 }
    const lab = new Lab({ profile: slow })
    lab.ask('stream', undefined, { outputTokens: 100 })
    lab.run(20)
    const before = lab.log.length
    lab.model.load(adapter(1), 'None', lab.nowMs)
    lab.run(lab.nowMs + 400)
    // The step that ran when the load came still ends.
    expect(lab.log.length - before).toBeLessThanOrEqual(1)
    lab.run(lab.nowMs + 200)
    expect(lab.indexOf('loaded a1')).toBeGreaterThan(0)
  })

  it('keeps the weights of a name loaded twice as two copies', () => {
    const lab = new Lab()
    lab.model.load({ id: 1, name: 'same', path: '/same' }, 'None', 0)
    lab.model.load({ id: 2, name: 'same', path: '/same' }, 'None', 0)
    lab.runToEnd()
    expect(lab.model.caches.inHostMemory).toEqual([1, 2])
  })

  it('frees the slot of an aborted request at the next step', () => {
    const lab = new Lab({ maxLoras: 1 })
    const long = lab.ask('long', adapter(1), { outputTokens: 10_000 })
    lab.ask('next', adapter(2))
    lab.run(50)
    expect(lab.model.abort(long)).toBe(true)
    expect(lab.model.abort(long)).toBe(false)
    lab.run(100)
    expect(lab.ended('next')).toBe(true)
    expect(lab.model.gauges.kvCacheUsage).toBe(0)
  })

  it('makes a step slower with every distinct adapter in it', () => {
    const stepMs = (adapters: number) => {
      const lab = new Lab({ profile: h100Llama8b, maxLoras: 8, maxCpuLoras: 8 })
      for (let id = 1; id <= adapters; id++) {
        lab.model.load(adapter(id), 'None', 0)
      }
      lab.runToEnd()
      for (let id = 1; id <= 8; id++) {
        lab.ask(`r${id}`, adapter(1 + (id % adapters)), { outputTokens: 20 })
      }
      lab.run(lab.nowMs + 100)
      const before = lab.model.nextEventMs() ?? 0
      lab.run(before)
      return (lab.model.nextEventMs() ?? 0) - before
    }
    const { perAdapterMs, perAdapterRequestMs = 0, perAdapterSlotMs = 0 } = h100Llama8b
    const eachMs = perAdapterMs + 8 * perAdapterRequestMs + 8 * perAdapterSlotMs
    expect(stepMs(8) - stepMs(1)).toBeCloseTo(7 * eachMs, 6)
  })

  it('computes a prompt in chunks of its token budget', () => {
    const lab = new Lab({ maxNumBatchedTokens: 100 })
    lab.ask('long', undefined, { promptTokens: 950, outputTokens: 1 })
    lab.runToEnd()
    expect(lab.nowMs).toBeGreaterThanOrEqual(10 * tiny.stepMs)
  })

  it('computes a known prefix only once, and only for the same blocks', () => {
    const lab = new Lab()
    const blocks = [1, 2, 3, 4]
    lab.ask('cold', undefined, { promptTokens: 64, blocks })
    lab.runToEnd()
    expect(lab.model.gauges.prefixHits).toBe(0)
    lab.ask('warm', undefined, { promptTokens: 64, blocks })
    lab.ask('other', undefined, { promptTokens: 64, blocks: [9, 2, 3, 4] })
    lab.runToEnd()
    // Of a prompt wholly known, the last block is computed again.
    expect(lab.model.gauges.prefixHits).toBe(48)
  })

  it('preempts the youngest when the KV cache is full, and lets it end later', () => {
    const lab = new Lab({ kvTokens: 160 })
    lab.ask('old', undefined, { promptTokens: 50, outputTokens: 40 })
    lab.ask('young', undefined, { promptTokens: 50, outputTokens: 40 })
    lab.runToEnd()
    expect(lab.model.gauges.preemptions).toBeGreaterThan(0)
    expect(lab.indexOf('ended young 40')).toBeGreaterThan(lab.indexOf('ended old 40'))
  })

  it('lets nobody in whose prompt finds no token left in the step', () => {
    const lab = new Lab({ maxNumBatchedTokens: 100 })
    lab.ask('long', undefined, { promptTokens: 250, outputTokens: 5 })
    lab.ask('behind', undefined, { promptTokens: 10, outputTokens: 5 })
    lab.run(tiny.stepMs)
    expect(lab.model.gauges).toMatchObject({ running: 1, waiting: 1, deferred: 0 })
    lab.runToEnd()
    expect(lab.indexOf('started behind')).toBeLessThan(lab.indexOf('token long 1'))
  })

  it('takes KV space in whole blocks', () => {
    const lab = new Lab({ kvTokens: 160 })
    lab.ask('one', undefined, { promptTokens: 17, outputTokens: 20 })
    lab.run(1)
    expect(lab.model.gauges.kvCacheUsage).toBe(0.2)
  })

  it('is held up by every waiting request that it walks over', () => {
    const stepMs = (walkedOver: number) => {
      const lab = new Lab({ profile: { ...tiny, perSkippedMs: 1 }, maxLoras: 1 })
      lab.model.preload(adapter(1))
      lab.ask('running', adapter(1), { outputTokens: 9 })
      for (let at = 0; at < walkedOver; at++) {
        lab.ask(`skipped ${at}`, adapter(2))
      }
      lab.run(lab.model.nextEventMs() ?? 0)
      const before = lab.nowMs
      lab.run(lab.model.nextEventMs() ?? 0)
      return lab.nowMs - before
    }
    expect(stepMs(7) - stepMs(0)).toBeCloseTo(7, 6)
  })

  it('garbles neighbours after an adapter with NaN weights ran, and stops after a while', () => {
    const lab = new Lab()
    lab.model.load(adapter(1), 'NonFinite', 0)
    lab.ask('poison', adapter(1))
    lab.runToEnd()
    for (let i = 0; i < 20; i++) {
      lab.ask(`neighbour ${i}`, adapter(2))
      lab.runToEnd()
    }
    const garbled = lab.log.filter((line) => line.endsWith('garbled'))
    expect(garbled).toHaveLength(8)
    expect(lab.log.some((line) => line.endsWith('started neighbour 19'))).toBe(true)
  })

  it('begins what a listener asks for in the middle of a step with the next one', () => {
    const asked: Asked = {
      name: 'next',
      adapter: undefined,
      promptTokens: 1,
      outputTokens: 2,
      blocks: [],
    }
    const seen: string[] = []
    const nothing = () => undefined
    const model = new VllmModel<Asked>(defaults, {
      started: ({ request }) => seen.push(`started ${request.name}`),
      token: ({ request, generated }, at, last) => {
        seen.push(`${request.name} ${generated}`)
        if (request.name === 'first' && last) {
          model.submit(asked, at)
          model.advance(at)
        }
      },
      readAdapter: nothing,
      loaded: nothing,
      stepped: nothing,
      died: nothing,
    })
    model.submit({ ...asked, name: 'first', outputTokens: 1 }, 0)
    model.submit({ ...asked, name: 'beside', outputTokens: 1 }, 0)
    model.advance(1_000)
    expect(seen).toEqual([
      'started first',
      'first 1',
      'started beside',
      'started next',
      'beside 1',
      'next 1',
      'next 2',
    ])
  })

  it('answers at once in the instant profile', () => {
    const lab = new Lab({ profile: instant })
    lab.ask('quick', adapter(1), { outputTokens: 500 })
    lab.run(0)
    expect(lab.ended('quick')).toBe(true)
  })
})

type Action =
  | {
      readonly do: 'ask'
      readonly adapter: number
      readonly tokens: number
      readonly prompt: number
    }
  | { readonly do: 'abort'; readonly which: number }
  | { readonly do: 'load'; readonly adapter: number }
  | { readonly do: 'wait'; readonly ms: number }

const actions = fc.array(
  fc.oneof(
    fc.record({
      do: fc.constant('ask' as const),
      adapter: fc.integer({ min: 0, max: 6 }),
      tokens: fc.integer({ min: 1, max: 20 }),
      prompt: fc.integer({ min: 1, max: 300 }),
    }),
    fc.record({ do: fc.constant('abort' as const), which: fc.nat(50) }),
    fc.record({ do: fc.constant('load' as const), adapter: fc.integer({ min: 1, max: 6 }) }),
    fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 60 }) }),
  ),
  { maxLength: 60 },
)
const sizes = fc
  .record({ maxLoras: fc.integer({ min: 1, max: 4 }), more: fc.integer({ min: 0, max: 3 }) })
  .map(({ maxLoras, more }) => ({ maxLoras, maxCpuLoras: maxLoras + more }))

function play(
  options: Partial<ModelOptions>,
  played: readonly Action[],
  check: (lab: Lab) => void,
): Lab {
  const lab = new Lab(options)
  const asked: Asked[] = []
  for (const action of played) {
    if (action.do === 'ask') {
      const which = action.adapter === 0 ? undefined : adapter(action.adapter)
      const more = { outputTokens: action.tokens, promptTokens: action.prompt }
      asked.push(lab.ask(`r${asked.length}`, which, more))
    } else if (action.do === 'abort') {
      const request = asked[action.which]
      if (request !== undefined && lab.model.abort(request)) {
        lab.log.push(`aborted ${request.name}`)
      }
    } else if (action.do === 'load') {
      lab.model.load(adapter(action.adapter), 'None', lab.nowMs)
    } else {
      lab.run(lab.nowMs + action.ms)
    }
    check(lab)
  }
  lab.runToEnd()
  check(lab)
  for (const { name, outputTokens } of asked) {
    const isAborted = lab.log.includes(`aborted ${name}`)
    const endings = lab.log.filter((line) => line.endsWith(` ended ${name} ${outputTokens}`))
    expect(endings, name).toHaveLength(isAborted ? 0 : 1)
  }
  return lab
}

describe('whatever is asked of the model', () => {
  it('never runs more distinct adapters than there are slots, and keeps its caches within bounds', () => {
    fc.assert(
      fc.property(sizes, actions, (options, played) => {
        const lab = play({ ...options, kvTokens: 700 }, played, ({ model }) => {
          const { onGpu, inHostMemory } = model.caches
          expect(model.runningAdapters.size).toBeLessThanOrEqual(options.maxLoras)
          expect(onGpu.length).toBeLessThanOrEqual(options.maxLoras)
          expect(inHostMemory.length).toBeLessThanOrEqual(options.maxCpuLoras)
          expect(inHostMemory).toEqual(expect.arrayContaining([...onGpu]))
        })
        expect(lab.mostAdapters).toBeLessThanOrEqual(options.maxLoras)
        expect(lab.model.gauges).toMatchObject({
          running: 0,
          waiting: 0,
          deferred: 0,
          kvCacheUsage: 0,
        })
      }),
    )
  })

  it('does the same again when asked the same again', () => {
    fc.assert(
      fc.property(sizes, actions, (options, played) => {
        const nothing = () => undefined
        expect(play(options, played, nothing).log).toEqual(play(options, played, nothing).log)
      }),
      { numRuns: 40 },
    )
  })
})

import { describe, expect, test } from 'vitest'
import { chooseReplica, optionCost, type RouteOption } from './choose-replica.ts'
import { hasJustBegun, type EngineCosts } from './route-cost.ts'

interface Named extends RouteOption {
  readonly name: string
}

function at(name: string, fields: Partial<RouteOption> = {}): Named {
  return {
    name,
    inFlight: 0,
    queuedPromptTokens: 0,
    remainingTokens: 0,
    beginnings: 0,
    slotsUsed: 0,
    isActive: true,
    needsLoad: false,
    uncachedTokens: 100,
    outputTokens: 100,
    rank: 0,
    ...fields,
  }
}

/** Of Llama 8B, rank 16, on one GPU: the public runs that route-cost.ts names. */
const costs: EngineCosts = {
  stepMs: 13.6,
  perRequestMs: 0.1,
  perAdapterMs: 0.53,
  perPromptTokenMs: 0.07,
  loadMs: 92,
}
const alone = { costs: undefined, nearness: 0 }
const calibrated = { costs, nearness: 0 }

const choose = (rule: typeof alone | typeof calibrated, ...options: readonly Named[]) =>
  chooseReplica(options, rule)?.name

test('there is no choice without options', () => {
  expect(choose(alone)).toBeUndefined()
})

describe('where nothing is known of the engines', () => {
  test.each<[string, Partial<RouteOption>, Partial<RouteOption>]>([
    ['fewer requests', { inFlight: 3 }, { inFlight: 2 }],
    ['fewer prompts to read first', { queuedPromptTokens: 900 }, { queuedPromptTokens: 90 }],
    ['the prompt in the cache', { uncachedTokens: 100 }, { uncachedTokens: 10 }],
    [
      'a cached prompt, and fewer requests',
      { uncachedTokens: 0, inFlight: 1 },
      { uncachedTokens: 0 },
    ],
    ['the adapter active, all else equal', { isActive: false }, {}],
    ['the adapter active and one request more', { isActive: false }, { inFlight: 1 }],
    ['two requests less and the adapter not active', { inFlight: 2 }, { isActive: false }],
  ])('a request goes where there are: %s', (_words, other, best) => {
    expect(choose(alone, at('other', other), at('best', best))).toBe('best')
    expect(choose(alone, at('best', best), at('other', other))).toBe('best')
  })

  test('the first of equals is taken by who chooses alone, whatever its rank', () => {
    expect(choose(alone, at('first', { rank: 9 }), at('second', { rank: 1 }))).toBe('first')
  })
})

describe('where costs are known', () => {
  test('an adapter more is worth several running requests', () => {
    const busy = (inFlight: number) => at('busy', { inFlight, remainingTokens: inFlight * 100 })
    const idle = at('idle', { isActive: false })
    expect(choose(calibrated, busy(1), idle)).toBe('busy')
    expect(choose(calibrated, busy(40), idle)).toBe('idle')
  })

  test('a load counts for everybody who runs there', () => {
    const loaded = at('loaded', { inFlight: 20, remainingTokens: 2000 })
    const toLoad = at('toLoad', { inFlight: 19, remainingTokens: 1900, needsLoad: true })
    expect(choose(calibrated, loaded, toLoad)).toBe('loaded')
  })

  test('an idle replica is not slow because it was, and one where many are is', () => {
    const asSlow = (inFlight: number) =>
      at('slow', { inFlight, remainingTokens: inFlight * 100, seenStepMs: 60 })
    const asThought = (inFlight: number) =>
      at('thought', { inFlight: inFlight + 1, remainingTokens: (inFlight + 1) * 100 })
    expect(choose(calibrated, asThought(0), asSlow(0))).toBe('slow')
    expect(choose(calibrated, asSlow(40), asThought(40))).toBe('thought')
  })

  test('a long prompt keeps away from answers that have just begun, a short one does not', () => {
    const begun = (uncachedTokens: number) => [
      at('begun', { inFlight: 2, beginnings: 2, uncachedTokens }),
      at('late', { inFlight: 3, uncachedTokens }),
    ]
    expect(choose(calibrated, ...begun(4000))).toBe('late')
    expect(choose(calibrated, ...begun(10))).toBe('begun')
  })

  test('the least is found among a thousand', () => {
    const options = Array.from({ length: 1000 }, (_, index) =>
      at(`r${index}`, { inFlight: (index * 7919) % 1000 }),
    )
    const least = Math.min(...options.map((option) => optionCost(option, costs)))
    const found = chooseReplica(options, calibrated)
    expect(found && optionCost(found, costs)).toBe(least)
  })
})

test.each([
  [100, 100, true],
  [88, 100, true],
  [87, 100, false],
  [0, 100, false],
  [-20, 100, false],
  [0, 0, false],
])('with %i of %i tokens to come, an answer has just begun: %s', (left, expected, has) => {
  expect(hasJustBegun(left, expected)).toBe(has)
})

describe('beside other gateways', () => {
  const shared = { costs, nearness: 0.03 }

  test('near equals are taken by rank', () => {
    const options = [at('a', { rank: 2 }), at('b', { rank: 1, inFlight: 1 }), at('c', { rank: 3 })]
    expect(choose(shared, ...options)).toBe('b')
  })

  test('what costs clearly more is not taken, whatever its rank', () => {
    expect(choose(shared, at('a', { rank: 2 }), at('b', { rank: 1, inFlight: 30 }))).toBe('a')
  })

  test('a near equal where the adapter is active comes first', () => {
    const cheap = { ...costs, perAdapterMs: 0.01 }
    const options = [at('a', { rank: 1, isActive: false }), at('b', { rank: 2 })]
    expect(chooseReplica(options, { costs: cheap, nearness: 0.03 })?.name).toBe('b')
  })
})

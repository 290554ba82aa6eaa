import { beforeEach, describe, expect, test, vi } from 'vitest'
import { patience } from '../../../test/support/eventually.ts'
import { FairShare } from '../../core/fair-share.ts'
import { PlaceShare } from './place-share.ts'

let now = 1000
let fair: FairShare
let share: PlaceShare

beforeEach(() => {
  now = 1000
  fair = new FairShare()
  share = new PlaceShare({
    maxInFlight: 100,
    now: () => now,
    order: { fair, waitsFor: () => [], turns: () => new Map([['a', 7]]) },
  })
})

const nothing = { inFlight: 0, queuedPromptTokens: 0, remainingTokens: 0 }
const three = { inFlight: 3, queuedPromptTokens: 40, remainingTokens: 500 }
const report = () => share.report(three, ['a', 'b'], () => true)
const answer = { places: 12, shared: true, served: { acme: 50 }, turns: {}, now: 40 }

describe('a gateway’s part of an engine', () => {
  test('is all of it where the agent is from before there were shares', () => {
    share.begin({ shares: false }, true)
    share.charge('acme', 10)
    expect([share.places, report(), share.hasNews(3)]).toEqual([100, undefined, false])
  })

  test('is bounded where nobody learns how much the engine takes', () => {
    const alone = new PlaceShare({ maxInFlight: 8192, now: () => now, order: undefined })
    expect(alone.places).toBe(256)
  })

  test('is small until the agent has spoken, and then what it said', () => {
    share.begin({ shares: true }, true)
    expect(share.places).toBe(8)
    report()
    share.answered(answer)
    expect(share.places).toBe(12)
    share.begin({ shares: true }, false)
    expect(share.places).toBe(12)
    share.begin({ shares: true }, true)
    expect(share.places).toBe(8)
  })

  test('is no more than the gateway lets any engine have', () => {
    share.begin({ shares: true }, true)
    share.answered({ ...answer, places: 5000 })
    expect(share.places).toBe(100)
  })

  test('says what was served since the last answer, once, and again where no answer came', () => {
    share.begin({ shares: true }, true)
    share.charge('acme', 10)
    share.charge('acme', 5)
    expect(report()).toMatchObject({ inFlight: 3, served: { acme: 15 }, turns: { a: 7, b: 0 } })
    share.charge('acme', 1)
    share.failed()
    expect(report()?.served).toEqual({ acme: 16 })
    share.answered(answer)
    expect(report()?.served).toEqual({})
  })

  test('says what work it has there only to an agent that passes it on: an older one refuses what it does not know', () => {
    share.begin({ shares: true }, true)
    expect(report()).not.toHaveProperty('queuedPromptTokens')
    share.begin({ shares: true, tellsLoads: true }, true)
    expect(report()).toMatchObject(three)
  })

  test('moves the pool’s counters by what the others served', () => {
    share.begin({ shares: true }, true)
    const before = fair.turnOf('acme')
    share.answered(answer)
    expect(fair.turnOf('acme')).toBeGreaterThanOrEqual(before + 50)
  })

  test('has something to say while it has requests there, and once after', () => {
    share.begin({ shares: true }, true)
    expect([share.hasNews(0), share.hasNews(1)]).toEqual([false, true])
    report()
    expect(share.hasNews(0)).toBe(true)
    share.report(nothing, [], () => true)
    expect(share.hasNews(0)).toBe(false)
  })

  test('has something to say while somebody waits and nothing of it is there', () => {
    share.begin({ shares: true }, true)
    share.answered({ ...answer, places: 0 })
    share.report(nothing, [], () => true)
    share.ask(() => undefined)
    expect(share.hasNews(0)).toBe(true)
    share.close()
  })

  test('is asked for at once, and then every 20 ms at most; never where nobody shares it', async () => {
    share.begin({ shares: true }, true)
    let asked = 0
    const ask = () => share.ask(() => (asked += 1))
    share.answered({ ...answer, shared: false })
    ask()
    expect(asked).toBe(0)
    share.answered(answer)
    ask()
    expect(asked).toBe(1)
    report()
    ask()
    ask()
    expect(asked).toBe(1)
    await vi.waitFor(() => expect(asked).toBe(2), patience)
    share.close()
  })
})

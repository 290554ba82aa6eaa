import { beforeEach, describe, expect, test } from 'vitest'
import { aWork } from '../../../test/support/a-work.ts'
import { ReplicaLoad } from './replica-load.ts'

let load: ReplicaLoad
beforeEach(() => {
  load = new ReplicaLoad()
})

const aLoad = (inFlight: number) => ({
  inFlight,
  queuedPromptTokens: inFlight * 10,
  remainingTokens: inFlight * 100,
})

test('counts what runs here, by adapter', () => {
  const works = ['a', 'a', 'b', undefined].map((name) => aWork(name, { remainingTokens: 50 }))
  for (const work of works) {
    load.begin(work)
  }
  expect(load).toMatchObject({ own: 4, inFlight: 4, slotsUsed: 2, queuedPromptTokens: 40 })
  expect(load.remainingTokens).toBe(200)
  const [first, second, third, fourth] = works
  for (const work of [first, second, third, fourth]) {
    load.end(work ?? aWork('a'), true)
  }
  expect(load).toMatchObject({ own: 0, slotsUsed: 0, queuedPromptTokens: 0, remainingTokens: 0 })
  expect(load.isActive('a')).toBe(false)
})

test('expects less as an answer is written', () => {
  const work = aWork('a', { remainingTokens: 50 })
  load.begin(work)
  load.expect(work, 50, 30)
  expect(load.remainingTokens).toBe(20)
  load.end(work, true)
  expect(load.remainingTokens).toBe(0)
})

describe('an answer', () => {
  const aStream = () => aWork('a', { remainingTokens: 80 })

  test('has just begun until an eighth of it is written', () => {
    const works = [aStream(), aStream()] as const
    for (const work of works) {
      load.begin(work)
    }
    expect(load.beginnings).toBe(2)
    load.expect(works[0], 80, 9)
    expect(load.beginnings).toBe(2)
    load.expect(works[0], 80, 10)
    expect(load.beginnings).toBe(1)
    load.end(works[0], true)
    load.end(works[1], false)
    expect(load).toMatchObject({ beginnings: 0, remainingTokens: 0 })
  })

  test('of which more is expected meanwhile may be at its beginning again, and ends once', () => {
    const work = aStream()
    load.begin(work)
    for (const [expected, beginnings] of [
      [80, 0],
      [800, 1],
      [80, 0],
      [800, 1],
    ] as const) {
      load.expect(work, expected, 40)
      expect(load.beginnings).toBe(beginnings)
    }
    load.end(work, true)
    expect(load).toMatchObject({ beginnings: 0, remainingTokens: 0 })
  })

  test('that is not streamed is at its beginning for an eighth, as nobody knows', () => {
    const work = aWork('a', { remainingTokens: 80, isStreamed: false })
    load.begin(work)
    load.expect(work, 80, 0)
    expect(load.beginnings).toBe(1 / 8)
    load.end(work, true)
    expect(load.beginnings).toBe(0)
  })
})

describe('with other gateways', () => {
  test('an eighth of theirs has just begun, and what they are taken to have sent since', () => {
    load.begin(aWork('a', { remainingTokens: 80 }))
    load.hear('me', { me: aLoad(1), you: aLoad(8), they: aLoad(8) }, 1)
    expect(load.beginnings).toBe(1 + 2)
    load.begin(aWork('a', { remainingTokens: 80 }))
    expect(load.beginnings).toBe(2 + 2 + 2)
  })

  test('theirs come on top; its own word of a moment ago does not', () => {
    for (let count = 0; count < 7; count += 1) {
      load.begin(aWork('a'))
    }
    load.hear('me', { me: aLoad(7), you: aLoad(3), they: aLoad(2) }, 4)
    expect(load.isShared).toBe(true)
    expect(load).toMatchObject({ inFlight: 12, slotsUsed: 4, remainingTokens: 500 })
    expect(load.queuedPromptTokens).toBe(120)
  })

  test('they are taken to go on as this one does until they are heard again', () => {
    load.hear('me', { you: aLoad(3), they: aLoad(2) }, 1)
    load.begin(aWork('a'))
    load.begin(aWork('a'))
    expect(load.inFlight).toBe(2 + 5 + 2 * 2)
    load.hear('me', { me: aLoad(2), you: aLoad(3), they: aLoad(2) }, 1)
    expect(load.inFlight).toBe(7)
  })

  test('an adapter that one of them runs is active', () => {
    load.hearActivity({ began: ['a', 'b'], ended: [] })
    load.hearActivity({ began: [], ended: ['b'] })
    expect([load.isActive('a'), load.isActive('b')]).toEqual([true, false])
  })

  test('nothing of theirs is kept when the engine is another one', () => {
    load.hear('me', { you: aLoad(3) }, 2)
    load.hearActivity({ began: ['a'], ended: [] })
    load.forgetOthers()
    load.forgetActivity()
    expect(load).toMatchObject({ inFlight: 0, slotsUsed: 0, isShared: false })
    expect(load.isActive('a')).toBe(false)
  })
})

import { beforeEach, expect, test } from 'vitest'
import { Pace } from './pace.ts'

let now = 0
let tokens = 0
let asked = 0
let isWanted = true
let found: number[][] = []
let looked = 0
let engine = { running: 10, adapters: 2 }
let pace: Pace

beforeEach(() => {
  now = 0
  tokens = 0
  asked = 0
  isWanted = true
  found = []
  looked = 0
  engine = { running: 10, adapters: 2 }
  pace = new Pace({
    looked: () => {
      looked += 1
    },
    tokens: () => {
      asked += 1
      return tokens
    },
    engine: () => engine,
    isWanted: () => isWanted,
    found: (...figures) => found.push(figures),
  })
})

function chunks(count: number, ms: number, tokensEach = 1): void {
  for (let at = 0; at < count; at += 1) {
    now += ms
    tokens += tokensEach
    pace.chunk(now)
  }
}

test('a stream is looked at every 8 chunks, and found as fast as it was between two looks', () => {
  chunks(8, 100)
  engine = { running: 30, adapters: 4 }
  chunks(7, 20)
  expect(found).toEqual([])
  chunks(1, 20)
  expect(found).toEqual([[20, 20, 3]])
  expect(asked).toBe(2)
})

test('several tokens in a chunk are several', () => {
  chunks(16, 20, 2)
  expect(found).toEqual([[10, 10, 2]])
})

test('nothing is looked at that nobody wants to know', () => {
  isWanted = false
  chunks(1000, 20)
  expect([asked, found.length]).toEqual([0, 0])
  expect(looked).toBe(125)
})

test('time in which nobody read is not the engine’s', () => {
  chunks(12, 20)
  now += 5000
  pace.interrupt()
  chunks(16, 20)
  expect(found).toEqual([[20, 10, 2]])
})

import { expect, test } from 'vitest'
import { ArrivalCounts } from './arrival-counts.ts'

const said = (arrivals: number, open = 0) => ({
  'models/llama': { a: { waiting: open, running: open, arrivals } },
})

function drained(counts: ArrivalCounts): readonly [number, number] {
  const { arrivals = 0, open = 0 } = counts.drain('models/llama').get('a') ?? {}
  return [arrivals, open]
}

test('what came is the sum over gateways, once', () => {
  const counts = new ArrivalCounts()
  counts.take('g0', said(100))
  counts.take('g1', said(7))
  expect(drained(counts)).toEqual([0, 0])
  counts.take('g0', said(104, 1))
  counts.take('g1', said(8, 2))
  expect(drained(counts)).toEqual([5, 6])
  expect(drained(counts)).toEqual([0, 6])
})

test('a counter that was forgotten begins at zero, and so does another process', () => {
  const counts = new ArrivalCounts()
  counts.take('g0', said(100))
  counts.take('g0', {})
  counts.take('g0', said(3))
  expect(drained(counts)[0]).toBe(3)
  counts.forget('g0')
  counts.take('g0', said(2))
  counts.take('g0', said(6))
  expect(drained(counts)[0]).toBe(4)
})

test('counters of names that nobody asks for any more are no new requests', () => {
  const counts = new ArrivalCounts()
  counts.take('g0', said(1_000_000))
  counts.take('g0', {
    'models/llama': { others: { waiting: 0, running: 0, arrivals: 1_000_000 } },
  })
  expect(counts.drain('models/llama').size).toBe(0)
})

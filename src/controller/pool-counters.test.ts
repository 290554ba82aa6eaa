import { expect, test } from 'vitest'
import { PoolCounters, type PoolCounts } from './pool-counters.ts'

const counts = (requests: number): ReadonlyMap<string, PoolCounts> =>
  new Map([
    [
      'models/llama',
      {
        arrivals: requests,
        requests,
        inputTokens: requests * 100,
        outputTokens: requests * 10,
        answers: requests,
      },
    ],
  ])

test('is what came since gateways were first heard, of all of them together', () => {
  const counters = new PoolCounters()
  counters.take('a', counts(1000))
  expect(counters.of('models/llama').requests).toBe(0)
  counters.take('a', counts(1003))
  counters.take('b', counts(50))
  counters.take('b', counts(51))
  expect(counters.of('models/llama')).toEqual(counts(4).get('models/llama'))
})

test('neither falls nor jumps when a gateway goes, starts again or comes back', () => {
  const counters = new PoolCounters()
  counters.take('a', counts(10))
  counters.take('a', counts(12))
  counters.forget('a')
  expect(counters.of('models/llama').requests).toBe(2)
  counters.take('a', counts(5000))
  expect(counters.of('models/llama').requests).toBe(2)
  counters.take('a', counts(3))
  expect(counters.of('models/llama').requests).toBe(5)
})

test('a pool that a gateway had not named begins at zero there', () => {
  const counters = new PoolCounters()
  counters.take('a', new Map())
  counters.take('a', counts(7))
  expect(counters.of('models/llama')).toEqual(counts(7).get('models/llama'))
})

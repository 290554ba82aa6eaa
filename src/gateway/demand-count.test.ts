import { expect, test } from 'vitest'
import { DemandCount } from './demand-count.ts'

test('who waits for an adapter is counted among those who wait, and apart', () => {
  const count = new DemandCount()
  count.waits('models/llama', [
    ['a', 3],
    ['b', 1],
    [undefined, 2],
  ])
  count.waitsForLoads('models/llama', [['b', 1]])
  count.loads(new Map([['models/llama', 4]]))
  const none = { running: 0, arrivals: 0 }
  expect(count.byPool['models/llama']).toEqual({
    a: { waiting: 3, ...none },
    b: { waiting: 1, cold: 1, ...none },
    base: { waiting: 2, ...none },
    loading: { waiting: 4, cold: 4, ...none },
  })
})

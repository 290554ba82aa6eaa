// The short form of test/bars/fairness.ts: one engine, greedy tenants, one gateway and four.
import { describe, expect, test } from 'vitest'
import { shares, weighted } from '../bars/fairness.ts'

describe.each([1, 4])('with %i gateways', (gateways) => {
  test('tenants that always want more get tokens by weight, and none waits unserved', async () => {
    const { error, longestGapMs } = await shares({ gateways, seconds: 8 }, weighted, 24)
    // A request more or less is a tenth of what the smallest gets in eight seconds. First come, first served: 1.3.
    expect(error).toBeLessThan(0.3)
    expect(longestGapMs).toBeLessThan(3000)
  })
})

import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { aKey, aPool, aTenant } from '../../../test/support/builders.ts'
import { pricesOf } from '../../core/prices.ts'
import { termsOf } from '../../core/terms.ts'
import { amountsOf, greatestUse } from './attempt-use.ts'
import { shorterAnswer } from './shorter-answer.ts'

test('a shorter answer always fits what is left', () => {
  const pool = aPool('llama').with({
    pricing: { inputPerMillionTokens: '3', outputPerMillionTokens: '7' },
  })
  const prices = pricesOf(pool.build())
  const tenant = aTenant('acme').with({
    limits: { tokensPerMinute: 5000, requestsPerMinute: 5 },
    budgets: [{ name: 'm', window: 'Month', amount: '0.03' }],
  })
  const { caps } = termsOf(tenant.build(), aKey('k').build())
  const used = fc.tuple(fc.nat(5), fc.nat(5000), fc.nat(30_000_000))
  fc.assert(
    fc.property(used, fc.nat(4000), fc.integer({ min: 1, max: 4 }), (before, input, answers) => {
      const counters = caps.map((cap) => ({
        committed: before[['Requests', 'Tokens', 'Nanos'].indexOf(cap.counts)] ?? 0,
        held: 0,
      }))
      const asked = { inputTokens: input, outputTokens: 8000, answers, prices }
      const tokens = shorterAnswer({ outcome: 'Refused', counters, short: [] }, caps, asked)
      if (tokens === undefined) {
        return
      }
      expect(tokens).toBeGreaterThanOrEqual(16)
      const amounts = amountsOf(caps, greatestUse(input, tokens, answers, prices))
      for (const [index, cap] of caps.entries()) {
        expect((counters[index]?.committed ?? 0) + (amounts[index] ?? 0)).toBeLessThanOrEqual(
          cap.cap,
        )
      }
    }),
    { numRuns: 1000 },
  )
})

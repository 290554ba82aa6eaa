import { describe, expect, test } from 'vitest'
import { parseUsage } from './usage.ts'

describe('usage', () => {
  test('is read with its cached tokens', () => {
    const text =
      '{"prompt_tokens":13,"total_tokens":21,"completion_tokens":8,"prompt_tokens_details":{"cached_tokens":5}}'
    expect(parseUsage(text, false)).toEqual({
      promptTokens: 13,
      completionTokens: 8,
      cachedTokens: 5,
      lowerBound: false,
    })
  })

  test.each(['', '{', 'null', '[]', '{}', '{"prompt_tokens":"13"}'])('of %j is none', (text) => {
    expect(parseUsage(text, true)).toBeUndefined()
  })

  test('without details counts what there is, and never less than nothing', () => {
    const text = '{"prompt_tokens":3,"completion_tokens":-1,"prompt_tokens_details":null}'
    expect(parseUsage(text, true)).toEqual({
      promptTokens: 3,
      completionTokens: 0,
      cachedTokens: 0,
      lowerBound: true,
    })
  })
})

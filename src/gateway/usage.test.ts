import { describe, expect, test } from 'vitest'
import { parseUsage, usageOfBroken } from './usage.ts'

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

  test('in Anthropic’s words has its cached input apart', () => {
    const text =
      '{"input_tokens":27,"output_tokens":4,"cache_creation_input_tokens":64,"cache_read_input_tokens":128}'
    expect(parseUsage(text, false)).toMatchObject({
      promptTokens: 219,
      completionTokens: 4,
      cachedTokens: 128,
    })
  })

  test('of a response has its cached input inside', () => {
    const text =
      '{"input_tokens":27,"input_tokens_details":{"cached_tokens":16},"output_tokens":4,"total_tokens":31}'
    expect(parseUsage(text, false)).toMatchObject({
      promptTokens: 27,
      completionTokens: 4,
      cachedTokens: 16,
    })
  })

  test('of a stream that broke adds what came since the engine counted', () => {
    expect(usageOfBroken('{"input_tokens":5,"output_tokens":2}', 3)).toEqual({
      promptTokens: 5,
      completionTokens: 5,
      cachedTokens: 0,
      lowerBound: true,
    })
    expect(usageOfBroken('', 3)).toMatchObject({ promptTokens: 0, completionTokens: 3 })
    expect(usageOfBroken('', 0)).toBeUndefined()
  })
})

import { describe, expect, test } from 'vitest'
import { parseUsage, usageOfBroken, type BrokenCount } from './usage.ts'

function broken(usage: string, frames: number): BrokenCount {
  return { usage, frames, choices: new Map() }
}

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
    expect(usageOfBroken(broken('{"input_tokens":5,"output_tokens":2}', 3))).toEqual({
      promptTokens: 5,
      completionTokens: 5,
      cachedTokens: 0,
      lowerBound: true,
    })
    expect(usageOfBroken(broken('', 3))).toMatchObject({ promptTokens: 0, completionTokens: 3 })
    expect(usageOfBroken(broken('', 0))).toBeUndefined()
  })

  test('of a stream that broke adds up its choices, and each prompt once', () => {
    const of = (prompt: number, output: number): string =>
      JSON.stringify({ prompt_tokens: prompt, completion_tokens: output })
    const choices = [of(5, 2), of(5, 3), of(9, 4), of(9, 0)]
    const count = { usage: of(9, 0), frames: 0, choices: new Map(choices.entries()) }
    expect(usageOfBroken(count, 2)).toEqual({
      promptTokens: 14,
      completionTokens: 9,
      cachedTokens: 0,
      lowerBound: true,
    })
  })
})

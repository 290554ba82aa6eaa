import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Tokenizer } from '../../sim/tokenizer.ts'
import { readJsonObject } from './json-object.ts'
import { measureRequest, type RequestMeasure } from './request-measure.ts'
import type { InferencePath } from '../endpoints/inference-endpoint.ts'

function measure(path: InferencePath, body: object): RequestMeasure {
  const text = JSON.stringify(body)
  return measureRequest(
    path,
    readJsonObject(Buffer.from(text)).entries,
    JSON.parse(text) as object as never,
  )
}

test('a prompt never has more tokens than are held for it', () => {
  const tokens = new Tokenizer(300)
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme' }), { minLength: 1 }), (contents) => {
      const messages = contents.map((content) => ({ role: 'user', content }))
      const rendered = contents.map((content) => `<|user|>${content}`).join('')
      const { inputTokens } = measure('/v1/chat/completions', { model: 'm', messages })
      expect(tokens.count(`${rendered}<|assistant|>`)).toBeLessThanOrEqual(inputTokens)
    }),
  )
})

describe('the output', () => {
  const messages = [{ role: 'user', content: 'x' }]

  test('is the largest of the caps, times n', () => {
    const body = { messages, max_tokens: 1, max_completion_tokens: 738, n: 3 }
    expect(measure('/v1/chat/completions', body)).toMatchObject({ outputCap: 738, answers: 3 })
  })

  test('is not what a field says that the engine does not get', () => {
    const body = Buffer.from(JSON.stringify({ messages, max_output_tokens: 1 }))
    const kept = readJsonObject(body).entries.filter(({ key }) => key === 'messages')
    const value = { messages, max_output_tokens: 1 }
    expect(measureRequest('/v1/chat/completions', kept, value).outputCap).toBeUndefined()
  })

  test('counts each prompt', () => {
    const body = { prompt: ['a', 'b', 'c'], n: 2, max_tokens: 5 }
    expect(measure('/v1/completions', body)).toMatchObject({ outputCap: 5, answers: 6 })
    expect(measure('/v1/completions', { prompt: [1, 2, 3] })).toMatchObject({ answers: 1 })
  })

  test('is nothing where nothing is generated', () => {
    expect(measure('/v1/embeddings', { input: ['a', 'b'] })).toMatchObject({ answers: 0 })
  })

  test.each(['64', -1, 1.5, true])('a cap that is no number is refused: %s', (max_tokens) => {
    expect(() => measure('/v1/chat/completions', { messages, max_tokens })).toThrow(/whole number/)
  })
})

test('what is compared is counted as often as it is read', () => {
  const query = 'q'.repeat(100)
  const one = measure('/v1/rerank', { query, documents: ['a'] }).inputTokens
  const ten = measure('/v1/rerank', { query, documents: Array.from({ length: 10 }, () => 'a') })
  expect(ten.inputTokens - one).toBeGreaterThan(900)
})

test('the user is who is named, and safety_identifier goes first', () => {
  const messages = [{ role: 'user', content: 'x' }]
  const of = (more: object) => measure('/v1/chat/completions', { messages, ...more }).user
  expect(of({ user: 'a', safety_identifier: 'b' })).toBe('b')
  expect(of({ user: 'a' })).toBe('a')
  expect(of({})).toBe('')
  expect(of({ metadata: { user_id: 'c' } })).toBe('c')
})

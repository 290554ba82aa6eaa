import { describe, expect, it } from 'vitest'
import { readEmbeddingAnswer } from './embedding-answer.ts'

const answer = (embedding: unknown) => JSON.stringify({ data: [{ index: 0, embedding }] })

describe('an embedding for a canary', () => {
  it('is one position with numbers of the size of log probabilities', () => {
    const outcome = readEmbeddingAnswer(200, answer([0.5, -0.5, 0.5, 0.5]))
    expect(outcome).toEqual({
      outcome: 'Answered',
      answer: {
        text: '',
        positions: [
          new Map([
            ['dimension:0', 1],
            ['dimension:1', -1],
            ['dimension:2', 1],
            ['dimension:3', 1],
          ]),
        ],
      },
    })
  })

  it.each([
    [
      'vLLM’s refusal',
      400,
      '{"error":{"message":"Out of range float values are not JSON compliant","code":400}}',
    ],
    ['a bare NaN', 200, '{"data":[{"embedding":[NaN]}]}'],
  ])('is not finite with %s', (_, status, body) => {
    expect(readEmbeddingAnswer(status, body).outcome).toBe('NonFinite')
  })

  it.each([
    ['an unknown model', 404, '{"error":{"message":"The model `x` does not exist.","code":404}}'],
    ['no numbers', 200, answer('AAAA')],
    ['nothing', 200, '{"data":[]}'],
  ])('is a failure with %s', (_, status, body) => {
    expect(readEmbeddingAnswer(status, body)).toMatchObject({ outcome: 'Failed', status })
  })
})

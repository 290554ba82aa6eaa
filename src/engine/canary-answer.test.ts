import { describe, expect, it } from 'vitest'
import { readCanaryAnswer } from './canary-answer.ts'

const answer = (logprobs: object) =>
  JSON.stringify({ choices: [{ index: 0, text: 'EL', logprobs }] })

describe('the answer to a canary', () => {
  it('becomes one map a position', () => {
    const body = answer({
      token_logprobs: [-0.5, -2],
      top_logprobs: [{ 'token_id:36': -0.5, 'token_id:1': -3 }, { 'token_id:43': -2 }],
    })
    expect(readCanaryAnswer(200, body)).toEqual({
      outcome: 'Answered',
      answer: {
        text: 'EL',
        positions: [
          new Map([
            ['token_id:36', -0.5],
            ['token_id:1', -3],
          ]),
          new Map([['token_id:43', -2]]),
        ],
      },
    })
  })

  it.each([
    ['null for a token', 200, answer({ token_logprobs: [null], top_logprobs: [{ a: -1 }] })],
    ['null among the top', 200, answer({ token_logprobs: [-1], top_logprobs: [{ a: null }] })],
    ['a bare NaN', 200, '{"choices":[{"text":"","logprobs":{"token_logprobs":[NaN]}}]}'],
    ['a bare -Infinity', 200, '{"choices":[{"logprobs":{"top_logprobs":[{"a": -Infinity}]}}]}'],
    [
      'vLLM’s refusal',
      400,
      '{"error":{"message":"Out of range float values are not JSON compliant","code":400}}',
    ],
  ])('is not finite with %s', (_, status, body) => {
    expect(readCanaryAnswer(status, body).outcome).toBe('NonFinite')
  })

  it.each([
    ['an unknown model', 404, '{"error":{"message":"The model `x` does not exist.","code":404}}'],
    ['no logprobs', 200, '{"choices":[{"text":"NaN","logprobs":null}]}'],
    ['cut JSON that talks of NaN', 200, '{"choices":[{"text":"NaN is'],
    ['no choices', 200, '{"choices":[]}'],
  ])('is a failure with %s', (_, status, body) => {
    expect(readCanaryAnswer(status, body)).toMatchObject({ outcome: 'Failed', status })
  })
})

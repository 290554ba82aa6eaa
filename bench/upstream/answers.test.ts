import { describe, expect, test } from 'vitest'
import { chatAnswer, completionAnswer, StreamFrames } from './answers.ts'

interface StreamFrame {
  readonly model: string
  readonly choices: readonly unknown[]
  readonly usage: { readonly completion_tokens: number }
}

/** The frames of all chunks, without HTTP's framing. */
function framesOf(shape: { includeUsage: boolean; continuousUsage: boolean }): string[] {
  const bytes = new StreamFrames({ model: 'some-model', chunks: 3, isLong: false, ...shape })
    .all()
    .toString()
  const body = bytes.replace(/(^|\r\n)[0-9a-f]+\r\n/g, '').replace(/\r\n$/, '')
  return body.split('\n\n').slice(0, -1)
}

describe('a stream', () => {
  test('is role, one frame a chunk and [DONE] where nobody asked for usage', () => {
    const frames = framesOf({ includeUsage: false, continuousUsage: false })
    expect(frames).toHaveLength(5)
    expect(frames.join('')).not.toContain('usage')
    expect(frames.at(-1)).toBe('data: [DONE]')
  })

  test('carries growing usage on every frame and once more without choices where somebody asked', () => {
    const frames = framesOf({ includeUsage: true, continuousUsage: true })
    const parsed = frames.slice(0, -1).map((frame) => JSON.parse(frame.slice(6)) as StreamFrame)
    expect(parsed.map((frame) => frame.usage.completion_tokens)).toEqual([0, 1, 2, 3, 3])
    expect(parsed.map((frame) => frame.choices.length)).toEqual([1, 1, 1, 1, 0])
    expect(parsed.every((frame) => frame.model === 'some-model')).toBe(true)
  })

  test('has frames as large as those of vLLM', () => {
    const [, frame = ''] = framesOf({ includeUsage: false, continuousUsage: false })
    expect(frame.length).toBeGreaterThan(200)
    expect(frame.length).toBeLessThan(290)
  })
})

describe('a whole answer', () => {
  test('is about 1.3 kB and echoes the model', () => {
    const answer = chatAnswer('lpx-0123456789abcdef')
    expect(answer.length).toBeGreaterThan(1_200)
    expect(answer.length).toBeLessThan(1_500)
    expect(JSON.parse(answer.toString())).toMatchObject({ model: 'lpx-0123456789abcdef' })
  })
})

describe('a completion with log probabilities', () => {
  const topOf = (model: string) => {
    const { choices } = JSON.parse(completionAnswer(model, 'hello', 4, 5).toString()) as {
      choices: { logprobs: { top_logprobs: Record<string, number>[] } }[]
    }
    return choices[0]?.logprobs.top_logprobs ?? []
  }

  test('has as many positions and alternatives as asked for', () => {
    expect(topOf('base').map((position) => Object.keys(position).length)).toEqual([5, 5, 5, 5])
  })

  test('is the same for one model and another for another', () => {
    expect(topOf('base')).toEqual(topOf('base'))
    expect(topOf('base')).not.toEqual(topOf('adapter'))
  })
})

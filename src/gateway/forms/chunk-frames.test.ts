import { expect, test } from 'vitest'
import { usageOfBroken } from '../relay/usage.ts'
import { ChunkFrames } from './chunk-frames.ts'

const options = {
  engineModel: 'lpx-1',
  callerModel: 'tickets',
  fingerprint: 'f',
  includeUsage: false,
  continuousUsage: false,
}

/** As vLLM writes them: what it counted is of this choice alone. */
const frame = (index: number, prompt: number, output: number): string =>
  `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"lpx-1","choices":[{"index":${index},"delta":{"content":"a"}}],"usage":{"prompt_tokens":${prompt},"total_tokens":${prompt + output},"completion_tokens":${output}}}\n\n`
const last = `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"lpx-1","choices":[],"usage":{"prompt_tokens":7,"total_tokens":19,"completion_tokens":12}}\n\n`

function read(...frames: readonly string[]): ChunkFrames {
  const rewriter = new ChunkFrames(options)
  for (const one of frames) {
    rewriter.rewrite(one)
  }
  return rewriter
}

test('a cut stream of several choices counts all of them, and their prompt once', () => {
  const cut = read(frame(0, 7, 1), frame(1, 7, 1), frame(0, 7, 2), frame(10, 7, 3))
  expect(usageOfBroken(cut, 11)).toMatchObject({ promptTokens: 7, completionTokens: 6 })
})

test('a cut stream of several prompts counts each of them', () => {
  const cut = read(frame(0, 7, 1), frame(1, 7, 1), frame(2, 9, 4), frame(3, 9, 4))
  expect(usageOfBroken(cut, 2)).toMatchObject({ promptTokens: 16, completionTokens: 10 })
})

test('once the engine added them up, that counts', () => {
  const ended = read(frame(0, 7, 6), frame(1, 7, 6), last)
  expect(usageOfBroken(ended, 2)).toMatchObject({ promptTokens: 7, completionTokens: 12 })
})

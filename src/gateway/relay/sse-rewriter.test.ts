import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { recordedStreams } from '../../../test/support/recorded-streams.ts'
import { ChunkFrames } from '../forms/chunk-frames.ts'
import type { RewriteOptions, StreamFault } from '../forms/frame-rewriter.ts'
import { SseRewriter } from './sse-rewriter.ts'
import { parseUsage } from './usage.ts'

type Wishes = Pick<RewriteOptions, 'includeUsage' | 'continuousUsage'>

const unasked: Wishes = { includeUsage: false, continuousUsage: false }
const asked: Wishes = { includeUsage: true, continuousUsage: false }
const onEveryFrame: Wishes = { includeUsage: true, continuousUsage: true }

interface Rewritten {
  readonly text: string
  readonly usage: string
  readonly done: boolean
  readonly fault: StreamFault | undefined
}

function rewrite(chunks: readonly (string | Buffer)[], model: string, wishes = unasked): Rewritten {
  const rewriter = new SseRewriter(
    new ChunkFrames({
      engineModel: model,
      callerModel: 'acme/tickets',
      fingerprint: 'lpx_0123_simulated',
      ...wishes,
    }),
    1024 * 1024,
  )
  let text = ''
  for (const chunk of chunks) {
    text += rewriter.push(Buffer.from(chunk as string))
  }
  const { fault, frames } = rewriter
  const { usage, done } = frames
  return { text: Buffer.from(text, 'latin1').toString('utf8'), usage, done, fault }
}

interface Frame {
  readonly model: string
  readonly system_fingerprint: string
  readonly choices: readonly unknown[]
  readonly usage?: { readonly completion_tokens: number }
}

/** The JSON frames of a stream that ends in `[DONE]`. */
function framesOf(text: string): readonly Frame[] {
  const lines = text.split('\n\n')
  expect(lines.slice(-2)).toEqual(['data: [DONE]', ''])
  return lines.slice(0, -2).map((line) => {
    expect(line.startsWith('data: ')).toBe(true)
    const frame = JSON.parse(line.slice(6)) as Frame
    // A key that stood twice would hide in the parsed frame.
    expect(line.match(/"system_fingerprint":/g)).toHaveLength(1)
    expect(line.match(/"model":/g)).toHaveLength(1)
    return frame
  })
}

function withoutOurs(frame: object): object {
  const {
    model: _model,
    system_fingerprint: _fingerprint,
    usage: _usage,
    ...rest
  } = frame as Record<string, unknown>
  return rest
}

const streams = recordedStreams()

test('there are streams of a real engine to test with', () => {
  expect(streams.length).toBeGreaterThan(15)
})

describe.each(streams.map((stream) => [stream.name, stream] as const))('%s', (_name, stream) => {
  const original = stream.body
    .split('\n\n')
    .filter((line) => line.startsWith('data: {'))
    .map((line) => JSON.parse(line.slice(6)) as Frame)

  test('has the caller’s name and our fingerprint in every frame, and no usage unasked', () => {
    const { text, done, fault } = rewrite([stream.body], stream.model)
    const frames = framesOf(text)
    expect({ done, fault }).toEqual({ done: true, fault: undefined })
    expect(frames.map(withoutOurs)).toEqual(
      original.filter((frame) => frame.choices.length > 0).map(withoutOurs),
    )
    for (const frame of frames) {
      expect(frame).toMatchObject({
        model: 'acme/tickets',
        system_fingerprint: 'lpx_0123_simulated',
      })
      expect(frame).not.toHaveProperty('usage')
    }
  })

  test('keeps the usage frame alone for who asked for it', () => {
    const frames = framesOf(rewrite([stream.body], stream.model, asked).text)
    const withUsage = frames.filter((frame) => frame.usage !== undefined)
    expect(withUsage).toEqual(
      original
        .filter((frame) => frame.choices.length === 0)
        .map((frame) => ({
          ...frame,
          model: 'acme/tickets',
          system_fingerprint: 'lpx_0123_simulated',
        })),
    )
  })

  test('keeps usage everywhere for who asked for that', () => {
    const frames = framesOf(rewrite([stream.body], stream.model, onEveryFrame).text)
    expect(frames.map((frame) => frame.usage)).toEqual(original.map((frame) => frame.usage))
  })

  test('knows the last usage, whoever asked', () => {
    const last = original.findLast((frame) => frame.usage !== undefined)?.usage
    const { usage } = rewrite([stream.body], stream.model)
    expect(parseUsage(usage, false)?.completionTokens).toBe(last?.completion_tokens)
  })

  test('comes out the same however it is cut', () => {
    const bytes = Buffer.from(stream.body)
    const whole = rewrite([bytes], stream.model, asked)
    fc.assert(
      fc.property(fc.array(fc.nat({ max: bytes.length }), { maxLength: 40 }), (cuts) => {
        const places = [0, ...cuts.sort((left, right) => left - right), bytes.length]
        const chunks = places.slice(1).map((end, at) => bytes.subarray(places[at], end))
        expect(rewrite(chunks, stream.model, asked)).toEqual(whole)
      }),
      { numRuns: 30 },
    )
    const single = Array.from(bytes, (_, at) => bytes.subarray(at, at + 1))
    expect(rewrite(single, stream.model, asked)).toEqual(whole)
  })
})

function frame(content: string, rest = ''): string {
  return `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"lpx-1","choices":[{"index":0,"delta":{"content":${JSON.stringify(content)}},"finish_reason":null}]${rest}}\n\n`
}

const usage = ',"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}'
const end = 'data: [DONE]\n\n'

describe('text of the answer', () => {
  const traps = [
    ',"usage":{"prompt_tokens":999}',
    '"model":"lpx-1"',
    ',"choices":[],"usage":{"completion_tokens":7}',
    '"finish_reason":"abort"',
    '\n\ndata: [DONE]\n\n',
    'data: {"error":{"message":"x"}}',
    ',"system_fingerprint":"vllm"',
    'größe 😀 \u2028\u2029 \u0000 �',
    '}]}}}}',
    '\\","usage":{',
  ]

  test.each(traps)('%j is text and nothing else', (trap) => {
    const { text, done, usage: seen } = rewrite([frame(trap, usage), end], 'lpx-1')
    expect(done).toBe(true)
    expect(framesOf(text)).toEqual([
      {
        ...(JSON.parse(frame(trap).slice(6)) as object),
        model: 'acme/tickets',
        system_fingerprint: 'lpx_0123_simulated',
      },
    ])
    expect(parseUsage(seen, false)).toMatchObject({ promptTokens: 3, completionTokens: 1 })
  })

  test('comes through whatever it is and however it is cut', () => {
    const texts = fc.array(fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom(...traps)), {
      maxLength: 5,
    })
    fc.assert(
      fc.property(texts, fc.integer({ min: 1, max: 50 }), (contents, size) => {
        const bytes = Buffer.from([...contents.map((one) => frame(one, usage)), end].join(''))
        const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
          bytes.subarray(at * size, (at + 1) * size),
        )
        const frames = framesOf(rewrite(chunks, 'lpx-1').text)
        expect(
          frames.map(
            (one) => (one.choices[0] as { delta: { content: string } } | undefined)?.delta.content,
          ),
        ).toEqual(contents.map((one) => JSON.parse(JSON.stringify(one)) as string))
      }),
      { numRuns: 30 },
    )
  })
})

describe('a stream that is not what it should be', () => {
  const faults: Record<string, [readonly string[], StreamFault]> = {
    'an error first': [
      ['data: {"error":{"message":"größe","code":400}}\n\n', end],
      { fault: 'EngineError', body: '{"error":{"message":"größe","code":400}}' },
    ],
    'an error later': [
      [frame('a'), 'data: {"error":{"message":"x","code":500}}\n\n', end],
      { fault: 'EngineError', body: '{"error":{"message":"x","code":500}}' },
    ],
    'another model': [[frame('a').replace('lpx-1', 'lpx-2')], { fault: 'WrongModel' }],
    'a model whose name only begins alike': [
      [frame('a').replace('lpx-1', 'lpx-10')],
      { fault: 'WrongModel' },
    ],
    'no model': [['data: {"choices":[]}\n\n'], { fault: 'WrongModel' }],
    'something that is no frame': [['<html>502</html>\n\n'], { fault: 'WrongModel' }],
    'the engine’s abort': [
      [frame('a'), frame('').replace('"finish_reason":null', '"finish_reason":"abort"')],
      { fault: 'Aborted' },
    ],
    'a frame without an end': [
      ['data: ', ...Array.from({ length: 20 }, () => 'x'.repeat(65_536))],
      { fault: 'FrameTooLong' },
    ],
  }
  test.each(Object.entries(faults))('is told: %s', (_sentence, [chunks, want]) => {
    const { fault, done, text } = rewrite(chunks, 'lpx-1')
    expect(fault).toEqual(want)
    expect(done).toBe(false)
    expect(text).not.toContain('[DONE]')
  })

  test('gives what came before the fault', () => {
    const { text } = rewrite([`${frame('a')}${frame('b')}data: {"error":{}}\n\n`], 'lpx-1')
    expect(text.match(/"content":"[ab]"/g)).toEqual(['"content":"a"', '"content":"b"'])
  })

  test('is not done before [DONE]', () => {
    expect(rewrite([frame('a'), 'data: [DONE]\n'], 'lpx-1').done).toBe(false)
  })

  test('lets comments and empty frames through', () => {
    expect(rewrite([': ping\n\n', '\n\n', frame('a'), end], 'lpx-1')).toMatchObject({
      done: true,
      fault: undefined,
    })
  })
})

test('the engine’s own fingerprint does not stand beside ours', () => {
  const last = `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"lpx-1","choices":[]${usage},"system_fingerprint":"vllm-0.32.0-x"}\n\n`
  const frames = framesOf(rewrite([frame('a', usage), last, end], 'lpx-1', asked).text)
  expect(frames.map((one) => one.system_fingerprint)).toEqual([
    'lpx_0123_simulated',
    'lpx_0123_simulated',
  ])
})

test('an engine whose base has a name that JSON escapes is understood', () => {
  const name = 'org/"Größe"'
  const text = frame('a').replace('"lpx-1"', JSON.stringify(name))
  expect(rewrite([text, end], name)).toMatchObject({ done: true, fault: undefined })
})

import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { recordedEventStreams } from '../../../test/support/recorded-streams.ts'
import { LoraplexError } from '../../errors.ts'
import { SseRewriter } from '../relay/sse-rewriter.ts'
import { parseUsage, usageOfBroken } from '../relay/usage.ts'
import type { StreamForm } from './answer-form.ts'
import { messageForm } from './message-form.ts'
import { responseForm } from './response-form.ts'

interface Event {
  readonly event: string
  readonly data: Readonly<Record<string, unknown>>
}

function streamOf(path: string): StreamForm {
  const { stream } = path === '/v1/messages' ? messageForm : responseForm
  if (stream === undefined) {
    throw new Error('not streamed')
  }
  return stream
}

function rewrite(chunks: readonly (string | Buffer)[], path: string, model: string) {
  const form = streamOf(path)
  const rewriter = new SseRewriter(
    form.rewriter({
      engineModel: model,
      callerModel: 'acme/tickets',
      fingerprint: 'lpx_0123_simulated',
      includeUsage: false,
      continuousUsage: false,
    }),
    form.maxFrameBytes,
  )
  let text = ''
  for (const chunk of chunks) {
    text += rewriter.push(Buffer.from(chunk as string))
  }
  const { usage, done, frames, trail, choices } = rewriter.frames
  return { text: utf8(text), usage, done, frames, trail, choices, fault: rewriter.fault }
}

function utf8(latin1: string): string {
  return Buffer.from(latin1, 'latin1').toString('utf8')
}

function eventsOf(text: string): readonly Event[] {
  return text.split('\n\n').flatMap((block): readonly Event[] => {
    const [, event, data] = /^event: (\S+)\ndata: (.*)$/s.exec(block) ?? []
    return event === undefined || data === undefined
      ? []
      : [{ event, data: JSON.parse(data) as Event['data'] }]
  })
}

/** Every `model` and `system_fingerprint`, however deep. */
function namesIn(value: unknown): readonly string[] {
  if (typeof value !== 'object' || value === null) {
    return []
  }
  return Object.entries(value).flatMap(([key, inner]) =>
    (key === 'model' || key === 'system_fingerprint') && typeof inner === 'string'
      ? [inner]
      : namesIn(inner),
  )
}

const streams = recordedEventStreams()

test('there are streams of a real engine to test with', () => {
  expect(new Set(streams.map(({ path }) => path))).toEqual(
    new Set(['/v1/messages', '/v1/responses']),
  )
  expect(streams.length).toBeGreaterThan(6)
})

describe.each(streams.map((stream) => [stream.name, stream] as const))('%s', (_name, stream) => {
  const { body, path, model } = stream

  test('says the caller’s name and our fingerprint, and nothing else is changed', () => {
    const { text, done, fault } = rewrite([body], path, model)
    expect({ done, fault }).toEqual({ done: true, fault: undefined })
    expect(text).not.toContain(`"model":"${model}"`)
    const events = eventsOf(text)
    expect(new Set(events.flatMap(({ data }) => namesIn(data)))).toEqual(
      new Set(['acme/tickets', 'lpx_0123_simulated']),
    )
    const ours = `"model":"acme/tickets","system_fingerprint":"lpx_0123_simulated"`
    expect(text.replaceAll(ours, `"model":"${model}"`)).toBe(body)
  })

  test('knows what the engine counted', () => {
    const { usage } = rewrite([body], path, model)
    const counted = parseUsage(usage, false)
    expect(counted?.promptTokens).toBeGreaterThan(5)
    expect(counted?.completionTokens).toBeGreaterThan(1)
  })

  test('cut short, counts a token a frame at least and not more than the engine', () => {
    const whole = parseUsage(rewrite([body], path, model).usage, false)
    const blocks = body.split(/(?<=\n\n)/)
    for (let kept = 1; kept < blocks.length; kept += 1) {
      const counted = usageOfBroken(rewrite(blocks.slice(0, kept), path, model))
      expect(counted?.completionTokens ?? 0).toBeLessThanOrEqual(whole?.completionTokens ?? 0)
      expect(counted?.lowerBound ?? true).toBe(true)
    }
  })

  test('comes out the same however it is cut', () => {
    const bytes = Buffer.from(body)
    const whole = rewrite([bytes], path, model)
    fc.assert(
      fc.property(fc.array(fc.nat({ max: bytes.length }), { maxLength: 40 }), (cuts) => {
        const places = [0, ...cuts.sort((left, right) => left - right), bytes.length]
        const chunks = places.slice(1).map((end, at) => bytes.subarray(places[at], end))
        expect(rewrite(chunks, path, model)).toEqual(whole)
      }),
      { numRuns: 20 },
    )
  })

  test('is not done before its last event', () => {
    const blocks = body.split(/(?<=\n\n)/).filter((block) => block.trim() !== '')
    expect(rewrite(blocks.slice(0, -1), path, model)).toMatchObject({
      done: false,
      fault: undefined,
    })
  })

  test('of another model is nobody’s here', () => {
    expect(rewrite([body], path, 'lpx-other')).toMatchObject({
      text: '',
      done: false,
      fault: { fault: 'WrongModel' },
    })
  })
})

const begin: Readonly<Record<string, string>> = {
  '/v1/messages': `event: message_start\ndata: {"type":"message_start","message":{"id":"m","type":"message","role":"assistant","content":[],"model":"lpx-1","stop_reason":null,"usage":{"input_tokens":3,"output_tokens":0}}}\n\n`,
  '/v1/responses': `event: response.created\ndata: {"response":{"id":"resp_1","instructions":"größe \\"model\\":\\"lpx-1\\"","model":"lpx-1","object":"response","output":[],"status":"in_progress","usage":null},"sequence_number":0,"type":"response.created"}\n\n`,
}
const error = new LoraplexError('engine_failed', 'The engine stopped – größe.')

describe('a stream that goes wrong', () => {
  test.each([
    ['/v1/messages', 'event: error\ndata: {"type":"error","error":{"message":"größe"}}\n\n'],
    ['/v1/responses', 'event: error\ndata: {"code":"500","message":"größe"}\n\n'],
  ])('of %s is an error of the engine', (path, frame) => {
    const { fault, done } = rewrite([begin[path] ?? '', frame], path, 'lpx-1')
    expect(done).toBe(false)
    expect(fault).toEqual({ fault: 'EngineError', body: frame.slice(19).trim() })
  })

  test.each([
    [
      '/v1/messages',
      'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":null},"usage":{"input_tokens":1,"output_tokens":1}}\n\n',
    ],
    [
      '/v1/responses',
      'event: response.completed\ndata: {"response":{"model":"lpx-1","service_tier":"auto","status":"cancelled","text":null}}\n\n',
    ],
  ])('of %s with an end that is none is told', (path, frame) => {
    expect(rewrite([begin[path] ?? '', frame], path, 'lpx-1')).toMatchObject({
      done: false,
      fault: { fault: 'Aborted' },
    })
  })

  test('of responses is not taken for one because of what the caller’s tools hold', () => {
    const frame = `event: response.completed\ndata: {"response":{"model":"lpx-1","tools":[{"parameters":{"default":{"status":"failed","usage":{"input_tokens":9}}}}],"service_tier":"auto","status":"completed","text":null,"usage":{"input_tokens":3,"output_tokens":2}}}\n\n`
    const { done, fault, usage } = rewrite(
      [begin['/v1/responses'] ?? '', frame],
      '/v1/responses',
      'lpx-1',
    )
    expect({ done, fault }).toEqual({ done: true, fault: undefined })
    expect(parseUsage(usage, false)).toMatchObject({ promptTokens: 3, completionTokens: 2 })
  })

  test.each(Object.keys(begin))('of %s: nothing passes before it says whose it is', (path) => {
    for (const frame of [
      'event: content_block_delta\ndata: {"delta":{"text":"secret"}}\n\n',
      'event: response.output_text.delta\ndata: {"delta":"secret"}\n\n',
      'data: {"secret":1}\n\n',
      '<html>\n\n',
    ]) {
      expect(rewrite([frame], path, 'lpx-1')).toMatchObject({
        text: '',
        fault: { fault: 'WrongModel' },
      })
    }
  })

  test('messages end in one error event', () => {
    const { trail } = rewrite([begin['/v1/messages'] ?? ''], '/v1/messages', 'lpx-1')
    expect(eventsOf(streamOf('/v1/messages').ending(error, 'req_1', trail))).toEqual([
      {
        event: 'error',
        data: {
          type: 'error',
          error: {
            type: 'api_error',
            message: error.message,
            details: { error_code: 'engine_failed', param: null },
          },
          request_id: 'req_1',
        },
      },
    ])
  })

  test('responses end in an error and their response, failed, counted on', () => {
    const delta =
      'event: response.output_text.delta\ndata: {"delta":"a","sequence_number":7,"type":"x"}\n\n'
    const { trail } = rewrite([begin['/v1/responses'] ?? '', delta], '/v1/responses', 'lpx-1')
    const [told, failed, ...rest] = eventsOf(
      streamOf('/v1/responses').ending(error, 'req_1', trail),
    )
    expect(rest).toEqual([])
    expect(told).toMatchObject({
      event: 'error',
      data: { type: 'error', code: 'engine_failed', message: error.message, sequence_number: 8 },
    })
    expect(failed).toMatchObject({
      event: 'response.failed',
      data: {
        sequence_number: 9,
        response: {
          id: 'resp_1',
          model: 'acme/tickets',
          status: 'failed',
          instructions: 'größe "model":"lpx-1"',
          error: { code: 'server_error', message: error.message },
        },
      },
    })
  })

  test('responses that have not begun end likewise', () => {
    const ending = streamOf('/v1/responses').ending(error, 'req_1', { first: '', last: '' })
    expect(eventsOf(ending).map(({ event }) => event)).toEqual(['error', 'response.failed'])
  })
})

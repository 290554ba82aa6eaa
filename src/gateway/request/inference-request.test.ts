import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { smallestBodies } from '../../../test/support/smallest-bodies.ts'
import { LoraplexError } from '../../errors.ts'
import { fieldKindsOf } from '../endpoints/field-kinds.ts'
import { inferenceEndpoints } from '../endpoints/inference-endpoints.ts'
import type { InferencePath } from '../endpoints/inference-endpoint.ts'
import { readInferenceRequest, type InferenceRequest } from './inference-request.ts'
import { requestBodyOf } from './request-body.ts'

const endpointAt = (path: InferencePath) =>
  inferenceEndpoints.find((endpoint) => endpoint.path === path)
const chat = endpointAt('/v1/chat/completions')
const completions = endpointAt('/v1/completions')
const hello = { model: 'tickets', messages: [{ role: 'user', content: 'hello' }] }

function read(
  body: object | string,
  endpoint = chat,
  unknownFields: 'Drop' | 'Reject' = 'Drop',
): InferenceRequest {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  if (endpoint === undefined) {
    throw new Error('no such endpoint')
  }
  return readInferenceRequest(endpoint, requestBodyOf(Buffer.from(text)), { unknownFields })
}

function built(
  request: InferenceRequest,
  model = 'lpx-0123',
  salt = 'salt',
): Record<string, unknown> {
  return JSON.parse(request.build(model, salt).toString('utf8')) as Record<string, unknown>
}

function refusalOf(run: () => unknown): Pick<LoraplexError, 'code' | 'param' | 'message'> {
  try {
    run()
  } catch (error) {
    if (error instanceof LoraplexError) {
      return { code: error.code, param: error.param, message: error.message }
    }
    throw error
  }
  throw new Error('it was taken')
}

/** Fields whose values are looked at, so that not every one is taken. */
const judged: ReadonlySet<string> = new Set([
  'max_tokens',
  'max_completion_tokens',
  'max_output_tokens',
  'n',
  'logprobs',
  'top_logprobs',
  'messages',
  'system',
  'tools',
  'response_format',
  'items',
  'text_1',
  'text_2',
  'data_1',
  'data_2',
])

const fieldsOf = (path: InferencePath, wanted: string) =>
  [...fieldKindsOf(path)].flatMap(([field, kind]) => (kind === wanted ? [field] : []))

describe('the body for the engine', () => {
  test('has our model and salt, and everything of the caller that is generation', () => {
    const request = read({ ...hello, temperature: 0.5, stop: ['\n'], user: 'u1' })
    expect(built(request)).toEqual({
      model: 'lpx-0123',
      cache_salt: 'salt',
      messages: hello.messages,
      temperature: 0.5,
      stop: ['\n'],
    })
    expect(request.model).toBe('tickets')
    expect(request.ignoredFields).toEqual(['user'])
  })

  test('asks a stream for usage on every frame, whatever the caller asked', () => {
    for (const stream_options of [
      undefined,
      null,
      { include_usage: false },
      { include_usage: true },
    ]) {
      expect(built(read({ ...hello, stream: true, stream_options }))).toMatchObject({
        stream: true,
        stream_options: { include_usage: true, continuous_usage_stats: true },
      })
    }
  })

  test('does not mention streams where none is asked for', () => {
    for (const stream of [undefined, null, false]) {
      const body = built(read({ ...hello, stream }))
      expect(Object.keys(body)).not.toContain('stream')
      expect(Object.keys(body)).not.toContain('stream_options')
    }
  })

  test('keeps the caller’s bytes as they were written', () => {
    const content = '"\\u00e9\\ud83d\\ude00 \\/ 1.0e-7"'
    const body = `{"messages":[ {"role":"user","content":${content}} ], "temperature":1.0e-7,"model":"tickets"}`
    const text = read(body).build('m', 's').toString('utf8')
    expect(text).toBe(
      `{"model":"m","cache_salt":"s","messages":[ {"role":"user","content":${content}} ], "temperature":1.0e-7}`,
    )
  })

  test('has spaces where fields were that are not the engine’s', () => {
    const messages = '"messages":[{"role":"user","content":"x"}]'
    const others = '"model":"tickets", "store":true,'
    const body = `{"user":"u",${messages},${others}"top_p":1,"metadata":{}}`
    expect(read(body).build('m', 's').toString('utf8')).toBe(
      `{"model":"m","cache_salt":"s",${messages},${' '.repeat(others.length)}"top_p":1}`,
    )
  })

  test('can be built again, for another engine', () => {
    const request = read({ ...hello, user: 'u', temperature: 0.5 })
    for (const model of ['a-long-name-of-an-engine', 'b', 'c'.repeat(1000), 'd']) {
      expect(built(request, model)).toEqual({
        model,
        cache_salt: 'salt',
        messages: hello.messages,
        temperature: 0.5,
      })
    }
  })

  test('leaves null out: absent to OpenAI, refused by some engines', () => {
    const request = read({ ...hello, n: null, max_tokens: null, priority: null, stop: null })
    expect(Object.keys(built(request))).toEqual(['model', 'cache_salt', 'messages'])
  })

  test('can be built for a foreign engine’s name with quotes and umlauts', () => {
    expect(built(read(hello), 'org/"Größe" \\1')['model']).toBe('org/"Größe" \\1')
  })

  test.each(Object.entries(smallestBodies))(
    'is the original less what is dropped plus ours, for any fields of %s',
    (path, small) => {
      const endpoint = endpointAt(path as InferencePath)
      const forwarded = fieldsOf(path as InferencePath, 'Forward')
      const free = forwarded.filter((field) => !judged.has(field) && !(field in small))
      const dropped = fieldsOf(path as InferencePath, 'Drop').filter(
        (field) => field !== 'background',
      )
      const canStream = endpoint?.form.stream !== undefined
      const fields = fc.dictionary(
        fc.constantFrom(...free, ...dropped, 'unheard_of', 'x-y'),
        fc.jsonValue({ maxDepth: 3 }),
      )
      fc.assert(
        fc.property(fields, fc.boolean(), fc.nat({ max: 2 }), (extra, stream, indent) => {
          const original = { ...extra, ...small, ...(stream ? { stream } : {}) }
          const request = read(JSON.stringify(original, undefined, indent), endpoint)
          const isForwarded = ([key, value]: [string, unknown]) =>
            forwarded.includes(key) && value !== null
          const want = Object.fromEntries(
            Object.entries({ ...extra, ...small }).filter(isForwarded),
          )
          const have = built(request)
          for (const ours of ['model', 'cache_salt', 'stream', 'stream_options', 'store']) {
            delete have[ours]
          }
          expect(have).toEqual(JSON.parse(JSON.stringify(want)))
          expect(request.stream).toBe(stream && canStream)
          const ignored = Object.entries({ ...extra, ...(stream && !canStream ? { stream } : {}) })
            .filter(([key, value]) => !forwarded.includes(key) && value !== null)
            .map(([key]) => key)
          expect(new Set(request.ignoredFields)).toEqual(new Set(ignored))
        }),
        { numRuns: 50 },
      )
    },
  )

  const heads: readonly (readonly [InferencePath, object])[] = [
    [
      '/v1/chat/completions',
      { cache_salt: 'salt', stream: true, stream_options: expect.anything() as object },
    ],
    ['/v1/responses', { cache_salt: 'salt', store: false, stream: true }],
    ['/v1/messages', { cache_salt: 'salt', stream: true }],
    ['/v1/messages/count_tokens', {}],
    ['/v1/embeddings', { cache_salt: 'salt' }],
    ['/v1/rerank', { cache_salt: 'salt' }],
    ['/v1/score', { cache_salt: 'salt' }],
    ['/tokenize', {}],
  ]
  test.each(heads)(
    'of %s has a salt where the engine takes one, and keeps nothing',
    (path, want) => {
      const small = smallestBodies[path]
      const body = built(read({ ...small, stream: true, store: true }, endpointAt(path)))
      expect(body).toEqual({ ...small, model: 'lpx-0123', ...want })
    },
  )
})

test('long texts are forwarded as they are, and hide nothing that stands behind them', () => {
  const piece = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 20 }),
    fc.constantFrom('"', '\\', '\\"', '"}],"priority":1,"x":"', '😀', '\n', '(text)'),
  )
  fc.assert(
    fc.property(fc.array(piece, { minLength: 1, maxLength: 5 }), fc.boolean(), (pieces, asKey) => {
      const long = pieces.join('').padEnd(10, 'x').repeat(200)
      const message = asKey ? { role: 'user', [long]: 1 } : { role: 'user', content: long }
      const body = { messages: [message, ...hello.messages], model: 'tickets', top_k: 3 }
      expect(built(read(body))).toEqual(
        JSON.parse(JSON.stringify({ ...body, model: 'lpx-0123', cache_salt: 'salt' })),
      )
      const hidden = { messages: [message], model: 'tickets', priority: 1 }
      expect(refusalOf(() => read(hidden))).toMatchObject({ code: 'forbidden_field' })
    }),
  )
})

describe('fields', () => {
  test.each(fieldsOf('/v1/chat/completions', 'Refuse'))('%s belongs to the operator', (field) => {
    for (const value of [1, 'x', {}, false, 0, '']) {
      expect(refusalOf(() => read({ ...hello, [field]: value }))).toMatchObject({
        code: 'forbidden_field',
        param: field,
      })
    }
  })

  test('an escaped spelling of a forbidden field is forbidden, too', () => {
    const body = `{"model":"a","messages":[{"role":"user","content":"x"}],"pri\\u006frity":1}`
    expect(refusalOf(() => read(body))).toMatchObject({
      code: 'forbidden_field',
      param: 'priority',
    })
  })

  test('unknown ones are dropped and named, or refused by name', () => {
    expect(read({ ...hello, unheard_of: 1 }).ignoredFields).toEqual(['unheard_of'])
    expect(refusalOf(() => read({ ...hello, unheard_of: 1 }, chat, 'Reject'))).toMatchObject({
      code: 'invalid_request',
      param: 'unheard_of',
    })
    expect(read({ ...hello, user: 'u' }, chat, 'Reject').ignoredFields).toEqual(['user'])
  })

  test('names that no header can hold are not repeated in one', () => {
    const body = { ...hello, 'a\r\nset-cookie: x': 1, ü: 1, ['z'.repeat(65)]: 1, ok: 1 }
    expect(read(body).ignoredFields).toEqual(['(unprintable)', 'ok'])
  })

  test('the names of hundreds of ignored fields stay a short header', () => {
    const many = Object.fromEntries(Array.from({ length: 200 }, (_, at) => [`field_${at}`, at]))
    const { ignoredFields } = read({ ...hello, ...many })
    expect(ignoredFields).toHaveLength(33)
    expect(ignoredFields.at(-1)).toBe('(more)')
  })
})

interface Refusal {
  readonly body: object | string
  readonly endpoint?: typeof chat | undefined
  readonly want: { readonly code: string; readonly param: string | null }
}

const invalid = (param: string | null) => ({ code: 'invalid_request', param })

const refusals: Record<string, Refusal> = {
  'no model': { body: { messages: hello.messages }, want: invalid('model') },
  'an empty model': { body: { ...hello, model: '' }, want: invalid('model') },
  'a null model': { body: { ...hello, model: null }, want: invalid('model') },
  'a model that is no text': { body: { ...hello, model: ['tickets'] }, want: invalid('model') },
  'stream as text': { body: { ...hello, stream: 'true' }, want: invalid('stream') },
  'stream as a number': { body: { ...hello, stream: 1 }, want: invalid('stream') },
  'stream_options without a stream': {
    body: { ...hello, stream_options: { include_usage: true } },
    want: invalid('stream_options'),
  },
  'stream_options that are no object': {
    body: { ...hello, stream: true, stream_options: [] },
    want: invalid('stream_options'),
  },
  'too many choices': { body: { ...hello, n: 9 }, want: invalid('n') },
  'choices as text, which the engine would read': {
    body: { ...hello, n: '64' },
    want: invalid('n'),
  },
  'no choices': { body: { ...hello, n: 0 }, want: invalid('n') },
  'a fraction of choices': { body: { ...hello, n: 1.5 }, want: invalid('n') },
  'choices beyond doubles': {
    body: '{"model":"a","messages":[{"role":"user"}],"n":1e999}',
    want: invalid('n'),
  },
  'no messages': { body: { model: 'tickets' }, want: invalid('messages') },
  'an empty list of messages': { body: { ...hello, messages: [] }, want: invalid('messages') },
  'messages that are no list': { body: { ...hello, messages: 'hi' }, want: invalid('messages') },
  'a message that is no object': {
    body: { ...hello, messages: [hello.messages[0], 'hi'] },
    want: invalid('messages[1]'),
  },
  'a message without a role': {
    body: { ...hello, messages: [{ content: 'hi' }] },
    want: invalid('messages[0].role'),
  },
  'content that is one part and no list of them': {
    body: {
      ...hello,
      messages: [{ role: 'user', content: { type: 'image_url', image_url: { url: 'http://x/' } } }],
    },
    want: invalid('messages[0].content'),
  },
  'content that is a number': {
    body: { ...hello, messages: [{ role: 'user', content: 5 }] },
    want: invalid('messages[0].content'),
  },
  'more stops than a shared engine should look for at every token': {
    body: { ...hello, stop: Array.from({ length: 17 }, () => 'a') },
    want: invalid('stop'),
  },
  'more biases than are needed': {
    body: {
      ...hello,
      logit_bias: Object.fromEntries(Array.from({ length: 1025 }, (_, at) => [at, 1])),
    },
    want: invalid('logit_bias'),
  },
  'a schema beyond reason': {
    body: {
      ...hello,
      response_format: { type: 'json_schema', json_schema: { description: 'x'.repeat(70_000) } },
    },
    want: invalid('response_format'),
  },
  ...Object.fromEntries(
    [
      { type: 'image_url', image_url: { url: 'http://169.254.169.254/' } },
      { type: 'input_audio', input_audio: { data: '', format: 'wav' } },
      { type: 'video_url', video_url: { url: 'http://x/' } },
      { image_url: 'http://169.254.169.254/' },
      { type: 'TEXT', text: 'x' },
      'text',
      null,
    ].map((part): [string, Refusal] => [
      `the content part ${JSON.stringify(part)}`,
      {
        body: {
          ...hello,
          messages: [{ role: 'user', content: [{ type: 'text', text: 'a' }, part] }],
        },
        want: invalid('messages[0].content[1]'),
      },
    ]),
  ),
  'a body that only the scanner reads': {
    body: '{"model":"a","messages":[tru]}',
    want: { code: 'invalid_json', param: null },
  },
  'something behind the object': {
    body: `${JSON.stringify(hello)}{}`,
    want: { code: 'invalid_json', param: null },
  },
}

describe('a request is refused for', () => {
  test.each(Object.entries(refusals))('%s', (_sentence, { body, endpoint, want }) => {
    expect(refusalOf(() => read(body, endpoint ?? chat))).toMatchObject(want)
  })
})

describe('a request is taken with', () => {
  const taken: Record<string, [object, typeof chat]> = {
    'text parts': [
      { ...hello, messages: [{ role: 'user', content: [{ type: 'text', text: 'a' }] }] },
      chat,
    ],
    'a message without content, as after a tool call': [
      { ...hello, messages: [{ role: 'assistant', content: null, tool_calls: [] }] },
      chat,
    ],
    'token ids for a prompt': [{ model: 'a', prompt: [1, 2, 3] }, completions],
    'a thousand token ids': [
      { model: 'a', prompt: Array.from({ length: 1000 }, (_, at) => at) },
      completions,
    ],
    'several prompts': [{ model: 'a', prompt: ['x', 'y'] }, completions],
    'as many stops as allowed': [{ ...hello, stop: Array.from({ length: 16 }, () => 'a') }, chat],
    'one stop, as text': [{ ...hello, stop: 'a'.repeat(100) }, chat],
    'as many choices as allowed': [{ ...hello, n: 8 }, chat],
  }
  test.each(Object.entries(taken))('%s', (_sentence, [body, endpoint]) => {
    expect(read(body, endpoint).model).toBeDefined()
  })

  test('the caller’s wish for usage', () => {
    const wishes = [
      [undefined, false, false],
      [{ include_usage: true }, true, false],
      [{ include_usage: true, continuous_usage_stats: true }, true, true],
      [{ continuous_usage_stats: true }, false, false],
      [{ include_usage: 'true' }, false, false],
    ] as const
    for (const [stream_options, includeUsage, continuousUsage] of wishes) {
      expect(read({ ...hello, stream: true, stream_options })).toMatchObject({
        includeUsage,
        continuousUsage,
      })
    }
  })
})

import { describe, expect, test } from 'vitest'
import { smallestBodies } from '../../../test/support/smallest-bodies.ts'
import { maxImages } from '../../api/max-images.ts'
import { LoraplexError } from '../../errors.ts'
import { readInferenceRequest } from '../request/inference-request.ts'
import { requestBodyOf } from '../request/request-body.ts'
import { inferenceEndpoints } from './inference-endpoints.ts'
import type { InferencePath } from './inference-endpoint.ts'

const files = {
  'image/png': Buffer.from('\x89PNG\r\n\x1a\n\0\0\0\rIHDR', 'latin1'),
  'image/jpeg': Buffer.from('\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01', 'latin1'),
  'image/jpg': Buffer.from('\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01', 'latin1'),
  'image/gif': Buffer.from('GIF89a\x01\0\x01\0\x80\0\0', 'latin1'),
  'image/webp': Buffer.from('RIFF\x24\0\0\0WEBPVP8 ', 'latin1'),
}
const png = files['image/png'].toString('base64')
const inline = `data:image/png;base64,${png}`

/** How each API shows an image, given its data URL. */
const shapes = {
  '/v1/chat/completions': (url: string) => ({ type: 'image_url', image_url: { url } }),
  '/v1/responses': (url: string) => ({ type: 'input_image', image_url: url, detail: 'low' }),
  '/v1/messages': (url: string) => {
    const [, media_type, data] = /^data:([^;]*);base64,(.*)$/s.exec(url) ?? []
    return data === undefined
      ? { type: 'image', source: { type: 'url', url } }
      : { type: 'image', source: { type: 'base64', media_type, data } }
  },
} as const
type Path = keyof typeof shapes
const paths = Object.keys(shapes) as readonly Path[]

function read(path: InferencePath, text: string, takesImages = true) {
  const endpoint = inferenceEndpoints.find((one) => one.path === path)
  if (endpoint === undefined) {
    throw new Error('no such endpoint')
  }
  return readInferenceRequest(endpoint, requestBodyOf(Buffer.from(text)), {
    unknownFields: 'Drop',
    takesImages: () => takesImages,
  })
}

function bodyOf(path: Path, ...parts: readonly object[]): string {
  const messages = [{ role: 'user', content: parts }]
  return JSON.stringify({
    ...smallestBodies[path],
    ...(path === '/v1/responses' ? { input: messages } : { messages }),
  })
}

function refusalOf(work: () => unknown): unknown {
  try {
    work()
  } catch (error) {
    return error
  }
  return undefined
}

const fieldOf = {
  '/v1/chat/completions': 'messages[0].content[0].image_url.url',
  '/v1/responses': 'input[0].content[0].image_url',
  '/v1/messages': 'messages[0].content[0].source',
} as const

describe.each(paths)('an image on %s', (path) => {
  test.each(Object.entries(files))('is taken as %s', (type, bytes) => {
    const url = `data:${type};base64,${bytes.toString('base64')}`
    expect(read(path, bodyOf(path, shapes[path](url))).measure.inputTokens).toBe(
      Number.POSITIVE_INFINITY,
    )
  })

  test('is taken when it is large, and reaches the engine as it came', () => {
    const url = `data:image/png;base64,${Buffer.concat([files['image/png'], Buffer.alloc(300_000, 7)]).toString('base64')}`
    const body = bodyOf(path, shapes[path](url))
    const built = JSON.parse(read(path, body).build('lpx-1', 'salt').toString()) as object
    expect(built).toMatchObject({ ...(JSON.parse(body) as object), model: 'lpx-1' })
  })

  test('may have its slashes escaped', () => {
    const jpeg = `data:image/jpeg;base64,${Buffer.concat([files['image/jpeg'], Buffer.alloc(2000, 255)]).toString('base64')}`
    const body = bodyOf(path, shapes[path](jpeg)).replaceAll('/', '\\/')
    expect(() => read(path, body)).not.toThrow()
  })

  test.each([
    'http://169.254.169.254/latest/meta-data',
    `https://example.com/${'a'.repeat(2000)}.png`,
    'file:///etc/passwd',
    '',
    'data:image/png,abc',
    `data:image/svg+xml;base64,${Buffer.from('<svg xmlns="http://www.w3.org/">').toString('base64')}`,
    `data:text/html;base64,${png}`,
    // What a TIFF is, whatever it is called.
    `data:image/png;base64,${Buffer.from('II*\0\x08\0\0\0\x10\0\xfe\0\x04\0', 'latin1').toString('base64')}`,
    `data:image/png;base64,http://x/${'a'.repeat(2000)}`,
  ])('is refused as %.60s', (url) => {
    expect(refusalOf(() => read(path, bodyOf(path, shapes[path](url))))).toMatchObject({
      code: 'invalid_request',
      param: fieldOf[path],
    })
  })

  test('is refused where the model reads text only, and the answer says so', () => {
    const refusal = refusalOf(() => read(path, bodyOf(path, shapes[path](inline)), false))
    expect(refusal).toBeInstanceOf(LoraplexError)
    expect(refusal).toMatchObject({
      code: 'invalid_request',
      message: expect.stringContaining('this model takes text only') as string,
    })
  })

  test('is refused when it is one too many', () => {
    const parts = Array.from({ length: maxImages + 1 }, () => shapes[path](inline))
    expect(() => read(path, bodyOf(path, ...parts.slice(1)))).not.toThrow()
    expect(refusalOf(() => read(path, bodyOf(path, ...parts)))).toMatchObject({
      message: expect.stringContaining('one image too many') as string,
    })
  })

  test.each([shapes[path](inline), { type: 'text', text: 'x', image_url: 'http://x/' }])(
    'has no name under which the engine would find somebody else’s: %#',
    (part) => {
      const body = bodyOf(path, { ...part, uuid: 'theirs' })
      expect(refusalOf(() => read(path, body))).toMatchObject({ code: 'invalid_request' })
    },
  )
})

test('what a tool gave back may be an image on messages, and is text on responses', () => {
  const shown = { type: 'tool_result', tool_use_id: 't', content: [shapes['/v1/messages'](inline)] }
  expect(() => read('/v1/messages', bodyOf('/v1/messages', shown))).not.toThrow()
  const input = [
    { type: 'function_call_output', call_id: 'c', output: [shapes['/v1/responses'](inline)] },
  ]
  const body = JSON.stringify({ ...smallestBodies['/v1/responses'], input })
  expect(refusalOf(() => read('/v1/responses', body))).toMatchObject({
    param: 'input[0].output[0]',
  })
})

test('a file by its id is no image', () => {
  const part = { ...shapes['/v1/responses'](inline), file_id: 'file-1' }
  expect(refusalOf(() => read('/v1/responses', bodyOf('/v1/responses', part)))).toMatchObject({
    param: 'input[0].content[0].file_id',
  })
})

test('system prompts and texts to count are text', () => {
  const system = [shapes['/v1/messages'](inline)]
  const body = JSON.stringify({ ...smallestBodies['/v1/messages'], system })
  expect(refusalOf(() => read('/v1/messages', body))).toMatchObject({ param: 'system[0]' })
  const chat = bodyOf('/v1/chat/completions', shapes['/v1/chat/completions'](inline))
  expect(refusalOf(() => read('/tokenize', chat))).toMatchObject({
    param: 'messages[0].content[0]',
    message: expect.stringContaining('not read here') as string,
  })
})

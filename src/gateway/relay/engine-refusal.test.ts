import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { classifyEngineRefusal, type NameMap } from './engine-refusal.ts'

interface Sample {
  readonly name: string
  readonly request: { readonly path: string }
  readonly response?: { readonly status: number; readonly body?: string }
}

const samples = (
  JSON.parse(
    readFileSync(new URL('../../../test/contract/samples/errors.json', import.meta.url), 'utf8'),
  ) as Sample[]
).filter(
  ({ request, response }) =>
    (response?.status ?? 200) >= 400 &&
    ['/v1/chat/completions', '/v1/completions'].includes(request.path),
)

const names: NameMap = [
  ['globex', 'acme/tickets'],
  ['base-0123456789ab', 'the base model'],
]

const classify = (status: number, body: string) => classifyEngineRefusal(status, body, names)

describe('a refusal of a real engine', () => {
  test.each(samples.map((sample) => [sample.name, sample] as const))('%s', (_name, sample) => {
    const { status = 0, body = '' } = sample.response ?? {}
    const { kind, error } = classify(status, body)
    expect(kind).toBe(status === 400 ? 'Caller' : 'Elsewhere')
    expect(error.message).not.toMatch(/globex|base-0123456789ab/)
    if (/too long|over the rest/.test(sample.name)) {
      expect(error.code).toBe('context_length_exceeded')
    } else if (kind === 'Caller') {
      expect(error.code).toBe('invalid_request')
    }
    if (kind === 'Elsewhere') {
      // I14: the text of the inside stays inside.
      expect(body).not.toContain(error.message)
    }
  })
})

describe('a refusal', () => {
  test('keeps the field, without the engine’s prefix', () => {
    const body = '{"error":{"message":"no","param":"body.temperature"}}'
    expect(classify(400, body).error).toMatchObject({ param: 'temperature', message: 'no' })
  })

  test('puts the caller’s names back wherever they stand', () => {
    const body = '{"error":{"message":"globex of base-0123456789ab, globex"}}'
    expect(classify(422, body).error.message).toBe('acme/tickets of the base model, acme/tickets')
  })

  test('is bounded', () => {
    const body = JSON.stringify({ error: { message: 'x'.repeat(100_000) } })
    expect(classify(400, body).error.message).toHaveLength(2000)
  })

  test.each(['', 'null', '[]', '"x"', '{"error":null}', '{"error":"Unauthorized"}', '<html>'])(
    'that is %s has words all the same',
    (body) => {
      expect(classify(400, body)).toMatchObject({
        kind: 'Caller',
        error: { message: 'The engine refused the request.', param: null },
      })
    },
  )

  test('for lack of room says when to come back', () => {
    expect(classify(503, '{}')).toMatchObject({
      kind: 'Elsewhere',
      error: { code: 'overloaded', retryAfterMs: 2000 },
    })
  })
})

describe('an engine on its way out', () => {
  test.each([
    'EngineCore encountered an issue. See stack trace (above) for the root cause.',
    'cannot schedule new futures after shutdown',
    'Server shutting down',
  ])('is known by %j', (message) => {
    const body = JSON.stringify({ error: { message, type: 'InternalServerError', code: 500 } })
    expect(classifyEngineRefusal(500, body, []).kind).toBe('Dying')
  })

  test('is not every engine that answers 500', () => {
    expect(classifyEngineRefusal(500, '{"error":{"message":"oops"}}', []).kind).toBe('Elsewhere')
  })
})

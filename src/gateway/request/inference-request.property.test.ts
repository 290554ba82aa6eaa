import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { smallestBodies } from '../../../test/support/smallest-bodies.ts'
import { LoraplexError } from '../../errors.ts'
import { fieldKindsOf } from '../endpoints/field-kinds.ts'
import { inferenceEndpoints } from '../endpoints/inference-endpoints.ts'
import { readInferenceRequest } from './inference-request.ts'
import { requestBodyOf } from './request-body.ts'
import { routeFields } from './request-fields.generated.ts'

/** What a hostile body is made of, beside chance. */
const pieces = [
  '"model":"lpx-x",',
  '"cache_salt":"mine",',
  '"cache\\u005fsalt":"mine",',
  '"priority":-1,',
  '"store":true,',
  '"stream":true,',
  '"stream_options":{"include_usage":true},',
  '"previous_response_id":"resp_1",',
  '{',
  '}',
  '[',
  ']',
  '"',
  '\\',
  ',',
  ':',
  '\u0000',
  'null',
  '1e999',
  '\ud800',
  '😀',
]

const mutation = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  cut: fc.nat({ max: 6 }),
  put: fc.oneof(fc.constantFrom(...pieces), fc.string({ unit: 'binary', maxLength: 4 })),
})

function mutate(
  bytes: Buffer,
  changes: readonly { readonly at: number; readonly cut: number; readonly put: string }[],
): Buffer {
  return changes.reduce((body, { at, cut, put }) => {
    const place = Math.floor(at * body.length)
    return Buffer.concat([body.subarray(0, place), Buffer.from(put), body.subarray(place + cut)])
  }, bytes)
}

describe.each(inferenceEndpoints.map((endpoint) => [endpoint.path, endpoint] as const))(
  'any body for %s',
  (path, endpoint) => {
    const kinds = fieldKindsOf(path)
    const fields = fc.dictionary(
      fc.constantFrom(...kinds.keys(), 'unheard_of'),
      fc.jsonValue({ maxDepth: 2 }),
      { maxKeys: 6 },
    )

    test('is taken as ours with the caller’s words, or refused by a code', () => {
      fc.assert(
        fc.property(fields, fc.array(mutation, { maxLength: 4 }), (extra, changes) => {
          const original = Buffer.from(JSON.stringify({ ...smallestBodies[path], ...extra }))
          const body = mutate(original, changes)
          let request
          try {
            request = readInferenceRequest(endpoint, requestBodyOf(body), {
              unknownFields: 'Drop',
            })
          } catch (error) {
            expect(error).toBeInstanceOf(LoraplexError)
            expect((error as LoraplexError).row.status).toBe(400)
            return
          }
          const text = request.build('lpx-0123', 'salt').toString('utf8')
          const sent = JSON.parse(text) as Readonly<Record<string, unknown>>
          expect(sent['model']).toBe('lpx-0123')
          expect(sent['cache_salt']).toBe(routeFields[path].salted ? 'salt' : undefined)
          expect(sent['store']).toBe(path === '/v1/responses' ? false : undefined)
          for (const field of Object.keys(sent)) {
            expect([field, kinds.get(field)]).toEqual([
              field,
              ['model', 'stream', 'stream_options'].includes(field)
                ? 'Rewrite'
                : field === 'cache_salt'
                  ? 'Refuse'
                  : field === 'store'
                    ? 'Drop'
                    : 'Forward',
            ])
          }
        }),
        { numRuns: 400 },
      )
    })
  },
)

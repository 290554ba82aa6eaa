import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LoraplexError } from '../../errors.ts'
import { JsonObjectReader, readJsonObject } from './json-object.ts'

function scan(text: string | Buffer): Record<string, unknown> {
  const body = Buffer.from(text as string)
  return Object.fromEntries(
    readJsonObject(body).entries.map(({ key, keyStart, valueEnd }) => [
      key,
      (JSON.parse(`{${body.toString('utf8', keyStart, valueEnd)}}`) as Record<string, unknown>)[
        key
      ],
    ]),
  )
}

/** The code and words of the refusal; undefined when it is taken. */
function refusalOf(text: string | Buffer): string | undefined {
  try {
    readJsonObject(Buffer.from(text as string))
    return undefined
  } catch (error) {
    if (!(error instanceof LoraplexError)) {
      throw error
    }
    expect(error.code).toBe('invalid_json')
    return error.message
  }
}

/** JSON with white space wherever it may stand, and keys escaped where they need not be. */
const writtenObject = fc
  .record({
    value: fc.dictionary(
      fc.string({ unit: 'binary', maxLength: 8 }),
      fc.jsonValue({ maxDepth: 4 }),
    ),
    space: fc.constantFrom('', ' ', '\n\t', '\r\n  '),
    escaped: fc.boolean(),
  })
  .map(({ value, space, escaped }) => {
    const entries = Object.entries(value).map(([key, entry]) => {
      const name = escaped ? `"${toEscapes(key)}"` : JSON.stringify(key)
      return `${space}${name}${space}:${space}${JSON.stringify(entry, undefined, space)}${space}`
    })
    return `${space}{${entries.join(',')}${space}}${space}`
  })

function toEscapes(text: string): string {
  return Array.from(
    { length: text.length },
    (_, at) => `\\u${text.charCodeAt(at).toString(16).padStart(4, '0')}`,
  ).join('')
}

describe('any object that JSON.parse reads', () => {
  test('has the same entries here', () => {
    fc.assert(
      fc.property(writtenObject, (text) => {
        expect(scan(text)).toEqual(JSON.parse(text))
      }),
    )
  })

  test('is refused or read when it is cut anywhere, and never runs past its end', () => {
    fc.assert(
      fc.property(writtenObject, fc.nat(), (text, seed) => {
        const body = Buffer.from(text.trimEnd())
        const cut = body.subarray(0, seed % body.length)
        expect(refusalOf(cut)).toBeDefined()
      }),
    )
  })
})

test('what is taken and JSON.parse reads has the same top-level keys, whatever the bytes', () => {
  const pieces = fc.constantFrom(
    ..."{ } [ ] : , \" \\ 'a' 'a':1 '\\u0061' 'model':'x' null true 1e5 '\\\\' '\\'' {} [] é 😀 \0"
      .replaceAll("'", '"')
      .split(' '),
    ' ',
    '\n',
  )
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 16 }), (parts) => {
      const text = `{${parts.join('')}}`
      let parsed: Record<string, unknown>
      try {
        parsed = JSON.parse(text) as Record<string, unknown>
      } catch {
        return // the caller runs JSON.parse after the scan: taken or not does not matter
      }
      const refusal = refusalOf(text)
      if (refusal === undefined) {
        expect(Object.keys(scan(text)).sort()).toEqual(Object.keys(parsed).sort())
      } else {
        expect(refusal).toContain('twice')
      }
    }),
    { numRuns: 2000 },
  )
})

const refused: Record<string, [string | Buffer, string]> = {
  'nothing at all': ['', 'not a JSON object'],
  'a list': ['[{"model":"a"}]', 'not a JSON object'],
  'a string': ['"model"', 'not a JSON object'],
  'a byte order mark': ['\ufeff{"model":"a"}', 'not a JSON object'],
  'bytes that are no UTF-8': [
    Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xff]), Buffer.from('"}')]),
    'not valid UTF-8',
  ],
  'a surrogate written as UTF-8': [
    Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from('"}')]),
    'not valid UTF-8',
  ],
  'a key twice': ['{"model":"a","model":"b"}', "The field 'model' stands twice"],
  'a key twice, once escaped': ['{"model":"a","mod\\u0065l":"b"}', "'model' stands twice"],
  'a key twice, both escaped differently': [
    '{"\\u006dodel":1,"mod\\u0065l":2}',
    "'model' stands twice",
  ],
  'a key that cannot be decoded': ['{"\\x":1}', 'not valid JSON'],
  'a missing value': ['{"a":}', 'not valid JSON'],
  'a missing colon': ['{"a" 1}', 'not valid JSON'],
  'a trailing comma': ['{"a":1,}', 'not valid JSON'],
  'an unclosed string': ['{"a":"b}', 'not valid JSON'],
  'a string that ends in an escaped quote': ['{"a":"b\\"}', 'not valid JSON'],
  'lists as deep as a parser’s stack': [`{"a":${'['.repeat(500_000)}`, 'levels deep'],
  'objects as deep as a parser’s stack': [`{"a":${'{"a":'.repeat(500_000)}`, 'levels deep'],
}

describe('a body is refused for', () => {
  test.each(Object.entries(refused))('%s', (_sentence, [text, words]) => {
    expect(refusalOf(text)).toContain(words)
  })

  test('a million fields, without reading them all', () => {
    const started = performance.now()
    const body = `{${Array.from({ length: 1_000_000 }, (_, at) => `"k${at}":1`).join(',')}}`
    const built = performance.now()
    expect(refusalOf(body)).toContain('more than 256 top-level fields')
    expect(performance.now() - built).toBeLessThan((built - started) * 2 + 100)
  })
})

describe('a large body', () => {
  const part = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.constant({ role: 'user', content: 'x,]"}' }),
    fc.constant('y'.repeat(1030)),
  )

  test('has the same value as JSON.parse gives it, wherever it is cut into segments', () => {
    fc.assert(
      fc.property(
        fc.array(part, { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1000, max: 8000 }),
        fc.constantFrom(undefined, 1),
        (parts, count, space) => {
          const long = new RegExp('"y{1030}"', 'g')
          // More would be refused for too many values: a byte weighs five at most.
          const weighs = JSON.stringify(parts).replaceAll(long, '').length / parts.length
          const length = Math.min(count, Math.floor(90_000 / weighs))
          const list = Array.from({ length }, (_, at) => parts[at % parts.length])
          const text = JSON.stringify({ a: 1, list, ['__proto__']: 2, b: list }, undefined, space)
          expect(readJsonObject(Buffer.from(text)).value).toEqual(
            JSON.parse(text.replaceAll(long, `"${'y'.repeat(64)}…"`)),
          )
        },
      ),
      { numRuns: 20 },
    )
  })

  test('is read in many steps', () => {
    const messages = Array.from({ length: 20_000 }, () => ({ role: 'user', content: 'x' }))
    const reader = new JsonObjectReader(Buffer.from(JSON.stringify({ messages })))
    let steps = 1
    while (!reader.step()) {
      steps += 1
    }
    expect(steps).toBeGreaterThan(20)
    expect(reader.value).toEqual({ messages })
  })

  const list = (count: number, unit: string): string => Array(count).fill(unit).join(',')
  const refusedLarge: Record<string, [string, string]> = {
    'a comma too many where it is cut': [`{"a":[${'{"b":1},'.repeat(994)}{"b":1},]}`, 'valid JSON'],
    'two commas where it is cut': [`{"a":[${'1,'.repeat(25_001)},1]}`, 'valid JSON'],
    'a list that does not end': [`{"a":[${list(60_000, '1')}`, 'valid JSON'],
    'something behind its end': [`{"a":[${list(60_000, '1')}]}x`, 'valid JSON'],
    'a key twice, far apart': [`{"a":1,"b":[${list(60_000, '1')}],"a":2}`, 'twice'],
    'too many elements': [`{"a":[${list(40_000, '""')}]}`, 'too many values'],
    'too many numbers': [`{"a":[${list(1_100_000, '1')}]}`, 'too many values'],
    'too many fields in one element': [`{"a":[{${list(10_000, '"k":1')}}]}`, 'too many values'],
    'too much white space': [`{"a":${' '.repeat(300_000)}1}`, 'too much white space'],
    'a number without end': [`{"a":${'9'.repeat(2000)}}`, 'too long'],
    'a name without end': [`{"${'k'.repeat(2000)}":1}`, 'too long a name'],
  }
  test.each(Object.entries(refusedLarge))('is refused for %s', (_sentence, [text, words]) => {
    expect(refusalOf(text)).toContain(words)
  })

  test('may hold as many numbers as a long prompt has tokens', () => {
    const { value } = readJsonObject(Buffer.from(`{"prompt":[${list(600_000, '12345')}]}`))
    expect((value['prompt'] as readonly unknown[])[0]).toBe(12345)
  })
})

describe('a body is taken with', () => {
  const taken: Record<string, string> = {
    'no fields': '{}',
    'white space all around': ' \r\n\t{ \n "a" : 1 , "b" : [ ] } \n',
    'braces, quotes and commas inside strings': '{"a":"}],\\"{\\\\","b":{"c":"\\\\\\""}}',
    'an empty key': '{"":1}',
    'the key __proto__': '{"__proto__":{"x":1},"constructor":2}',
    'the deepest nesting allowed': `{"a":${'['.repeat(64)}${']'.repeat(64)}}`,
    'numbers that are no doubles': '{"a":1e999,"b":-0}',
  }
  test.each(Object.entries(taken))('%s', (_sentence, text) => {
    expect(Object.keys(scan(text))).toEqual(Object.keys(JSON.parse(text) as object))
  })

  test('300 kB in one string, faster than parsing it', () => {
    const body = Buffer.from(
      JSON.stringify({
        model: 'a',
        messages: [{ role: 'user', content: 'word\\n"'.repeat(50_000) }],
      }),
    )
    const time = (run: () => unknown): number => {
      const samples = Array.from({ length: 15 }, () => {
        const started = performance.now()
        run()
        return performance.now() - started
      })
      return samples.sort((left, right) => left - right)[7] ?? 0
    }
    const scanning = time(() => readJsonObject(body))
    const parsing = time(() => JSON.parse(body.toString('utf8')))
    // A hostile text of escaped quotes costs a look at each; it must stay in the order of a parse.
    expect(scanning).toBeLessThan(parsing * 5 + 1)
  })
})

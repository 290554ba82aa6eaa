import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseStrictJson } from './strict-json.ts'

const limits = { maxDepth: 8, maxKeys: 100 }
const parse = (text: string, more = {}) =>
  parseStrictJson(Buffer.from(text), { ...limits, ...more })

describe('parseStrictJson', () => {
  it('takes what JSON.parse takes, whenever no key repeats', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), (text) => {
        const outcome = parse(text, { maxKeys: 10_000 })
        // fast-check prints values, so keys are distinct by construction.
        expect(outcome).toEqual({ ok: true, value: JSON.parse(text) as unknown })
      }),
    )
  })

  it('never throws and never takes what JSON.parse refuses', () => {
    const pieces = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      '"',
      '\\',
      ':',
      ',',
      'a',
      '1',
      '-',
      ' ',
      '\n',
      'null',
    )
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 24 }), (parts) => {
        const text = parts.join('')
        if (parse(text).ok) {
          JSON.parse(text)
        }
      }),
      { numRuns: 5_000 },
    )
  })

  it('finds a repeated key at any place and in any spelling', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1 }),
        fc.dictionary(fc.string(), fc.integer()),
        (key, rest) => {
          const escaped = key
            .split('')
            .map((unit) => String.raw`\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
            .join('')
          const inner = Object.entries(rest)
            .filter(([name]) => name !== key)
            .map(([name, value]) => `${JSON.stringify(name)}: ${value},`)
            .join('')
          const text = `[{"x": {${JSON.stringify(key)} : 1, ${inner} "${escaped}": 2}}]`
          // An unpaired surrogate becomes U+FFFD on the way to UTF-8, so only whole ones are compared.
          expect(parse(text, { maxKeys: 1_000 }).ok).toBe(!key.isWellFormed())
        },
      ),
    )
  })

  it.each([
    ['the same key in two objects', '[{"a":1},{"a":1}]', true],
    ['a key that looks like a value', '{"a":"a"}', true],
    ['a colon inside of a string', '{"a":"b\\":\\"","b":1}', true],
    ['__proto__ as a plain key', '{"__proto__":{"r":1}}', true],
    ['__proto__ twice', '{"__proto__":1,"__proto__":2}', false],
    ['a byte order mark', '\uFEFF{}', false],
    ['nesting one too deep', '[[[[[[[[[]]]]]]]]]', false],
    ['nothing', '', false],
    ['text after the value', '{} {}', false],
  ])('%s: %s is taken: %s', (_, text, want) => {
    expect(parse(text).ok).toBe(want)
  })

  it('refuses bytes that are not UTF-8', () => {
    expect(parseStrictJson(Buffer.from([0x22, 0xff, 0x22]), limits).ok).toBe(false)
    expect(parseStrictJson(Buffer.from([0x22, 0xc0, 0xaf, 0x22]), limits).ok).toBe(false)
  })

  it('counts keys before it builds anything', () => {
    const text = `{${Array.from({ length: 101 }, (_, index) => `"${index}":0`).join()}}`
    expect(parse(text)).toEqual({ ok: false, detail: 'it has more than 100 keys' })
  })

  it.each(['{"a":-1}', '{"a":1.5}', '{"a":1e3}', '{"a":null}', '{"a":true}'])(
    'takes only plain whole numbers where asked to: %s',
    (text) => {
      expect(parse(text).ok).toBe(true)
      expect(parse(text, { unsignedIntegersOnly: true }).ok).toBe(false)
    },
  )

  it('goes through 16 MiB of brackets in no time', () => {
    const outcome = parse('['.repeat(16 << 20))
    expect(outcome).toEqual({ ok: false, detail: 'it is nested more than 8 deep' })
  })
})

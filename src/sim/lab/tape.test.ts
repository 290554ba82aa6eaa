import { describe, expect, it } from 'vitest'
import { formatTape, parseTape } from './tape.ts'

const good = '{"t":0.5,"tenant":"acme","adapter":"tickets","input_tokens":10,"output_tokens":3}'

describe('a tape', () => {
  it('is read with times in milliseconds, empty lines left out', () => {
    expect(parseTape(`${good}\n\n`)).toEqual([
      {
        atMs: 500,
        tenant: 'acme',
        adapter: 'tickets',
        inputTokens: 10,
        outputTokens: 3,
        blocks: [],
      },
    ])
  })

  it('comes back as it was written, with its blocks', () => {
    const text = `${good}\n${good.replace('0.5', '1.25').replace('}', ',"blocks":[4,5]}')}\n`
    expect(formatTape(parseTape(text))).toBe(text)
  })

  const mistakes: readonly [string, string, RegExp][] = [
    ['no JSON', '{', /^Line 2 of the tape is no JSON/],
    [
      'a missing field',
      good.replace('"tenant":"acme",', ''),
      /^Line 2 of the tape, field tenant: /,
    ],
    [
      'a text for a number',
      good.replace('10', '"10"'),
      /^Line 2 of the tape, field input_tokens: /,
    ],
    ['no output', good.replace(':3}', ':0}'), /^Line 2 of the tape, field output_tokens: /],
    ['an unknown field', good.replace('}', ',"model":"x"}'), /^Line 2 of the tape: .*model/],
    ['a block beyond its range', good.replace('}', ',"blocks":[1,-2]}'), /field blocks\.1: /],
    [
      'a time before the last',
      good.replace('0.5', '0.4'),
      /^Line 2 of the tape, field t: 0.4 is before/,
    ],
  ]
  it.each(mistakes)('with %s is refused by line and field', (_, line, words) => {
    expect(() => parseTape(`${good}\n${line}\n`)).toThrow(words)
  })

  it('without requests is refused', () => {
    expect(() => parseTape('\n')).toThrow('The tape has no requests.')
  })
})

import { describe, expect, it } from 'vitest'
import { quoted, someOf } from './problems.ts'

describe('quoted', () => {
  it.each([
    ['plain text', '"plain text"'],
    ['two\nlines', String.raw`"two\nlines"`],
    ['turned \u202Earound', String.raw`"turned \u{202e}around"`],
    ['a\u2028b\u00A0c', String.raw`"a\u{2028}b\u{a0}c"`],
    ['"quotes"', String.raw`"\"quotes\""`],
    ['größer als 名前', '"größer als 名前"'],
    ['x'.repeat(121), `"${'x'.repeat(119)}…"`],
  ])('%j', (text, want) => {
    expect(quoted(text)).toBe(want)
  })
})

describe('someOf', () => {
  it('tells a few and counts the rest', () => {
    expect(someOf(['a'])).toBe('"a"')
    expect(someOf(['a', 'b', 'c', 'd', 'e'])).toBe('"a", "b", "c" and 2 more')
  })
})

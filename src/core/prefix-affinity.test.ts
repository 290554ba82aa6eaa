import { describe, expect, test } from 'vitest'
import { PrefixAffinity, prefixEnds, type PromptPrefix } from './prefix-affinity.ts'

/** A prompt of so many hashed parts; those of one conversation begin alike. */
function aPrefix(conversation: number, parts: number, scope = 1): PromptPrefix {
  return {
    scope,
    hashes: Array.from({ length: parts }, (_, at) => (conversation * 7919 + at * 104_729) >>> 0),
    sizeBytes: prefixEnds[parts - 1] ?? 0,
  }
}

describe('an engine knows', () => {
  test('nothing at first', () => {
    expect(new PrefixAffinity().knownPart(aPrefix(1, 3))).toBe(0)
  })

  test('the whole of a prompt that it has read', () => {
    const index = new PrefixAffinity()
    index.note(aPrefix(1, 3))
    expect(index.knownPart(aPrefix(1, 3))).toBe(1)
    expect(index.knownPart(aPrefix(2, 3))).toBe(0)
  })

  test('of the next turn of a conversation as much as the last one had', () => {
    const index = new PrefixAffinity()
    index.note(aPrefix(1, 3))
    expect(index.knownPart(aPrefix(1, 5))).toBeCloseTo(1152 / 2592)
  })

  test('nothing of what another tenant sent, however equal (I7)', () => {
    const index = new PrefixAffinity()
    index.note(aPrefix(1, 3, 1))
    expect(index.knownPart(aPrefix(1, 3, 2))).toBe(0)
  })

  test('the latest only, where there are more than it has room for', () => {
    const index = new PrefixAffinity(256)
    for (let conversation = 0; conversation < 1000; conversation += 1) {
      index.note(aPrefix(conversation, 2))
      index.note(aPrefix(5000, 2))
    }
    const known = (from: number): number =>
      Array.from({ length: 50 }, (_, at) => index.knownPart(aPrefix(from + at, 2))).filter(
        (part) => part === 1,
      ).length
    expect(index.knownPart(aPrefix(5000, 2))).toBe(1)
    expect(known(0)).toBe(0)
    expect(known(950)).toBeGreaterThan(30)
  })
})

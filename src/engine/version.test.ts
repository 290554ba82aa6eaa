import { describe, expect, it } from 'vitest'
import { isSupportedVersion } from './version.ts'

describe('the version floor', () => {
  it.each([
    ['0.32.0', true],
    ['0.32.0+cpu', true],
    ['v0.33.1', true],
    ['0.33.1rc2.dev7+g1a2b3c4', true],
    ['0.100.0', true],
    ['1.0.0', true],
    ['0.31.9', false],
    ['0.3.2', false],
    ['0.4', false],
    ['', false],
    ['dev', false],
  ])('%s is supported: %s', (version, wantSupported) => {
    expect(isSupportedVersion(version)).toBe(wantSupported)
  })
})

import { expect, test } from 'vitest'
import { sizeOf } from './size-of.ts'

test.each([
  ['50Gi', 50 * 1024 ** 3],
  ['1.5Mi', 1.5 * 1024 ** 2],
  ['200G', 200e9],
  ['1Pi', 1024 ** 5],
  ['4096', 4096],
])('%s is %d bytes', (text, bytes) => {
  expect(sizeOf(text, '--cache-size')).toBe(bytes)
})

test.each(['', '0', '50GB', '-1Gi', 'Gi', '1e3'])('%j is no size', (text) => {
  expect(() => sizeOf(text, '--cache-size')).toThrow('--cache-size is')
})

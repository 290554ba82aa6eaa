import { expect, test } from 'vitest'
import { sizeText } from './size-text.ts'

test.each([
  [0, '0'],
  [1023, '1023'],
  [1024, '1Ki'],
  [1025, '1.1Ki'],
  [1.5 * 1024 ** 3, '1.5Gi'],
  [2 ** 60, '1024Pi'],
])('%i bytes are %s', (bytes, want) => {
  expect(sizeText(bytes)).toBe(want)
})

import { expect, test } from 'vitest'
import { nearestName } from './nearest-name.ts'

test.each([
  ['maxLora', 'maxLoras'],
  ['maxlroas', 'maxLoras'],
  ['suorce', 'source'],
  ['Source', 'source'],
  ['colour', undefined],
  ['x', undefined],
  ['', undefined],
])('%s is nearest to %s', (written, want) => {
  expect(nearestName(written, ['maxLoras', 'source', 'suspend', 'poolRefs'])).toBe(want)
})

import { expect, test } from 'vitest'
import { ActiveAdapters } from './active-adapters.ts'

const [first, second] = [1, 2].map((id) => ({ id, name: `a${id}`, path: '' }))

test('an adapter is active from its first request to its last, and only then the version changes', () => {
  const active = new ActiveAdapters()
  const versions: number[] = []
  const note = (): void => {
    versions.push(active.version)
  }
  for (const adapter of [first, first, undefined, second]) {
    active.add(adapter)
    note()
  }
  expect([...active.byId.keys()]).toEqual([1, 2])
  for (const adapter of [first, undefined, first]) {
    active.drop(adapter)
    note()
  }
  expect([...active.byId.keys()]).toEqual([2])
  expect(versions).toEqual([1, 1, 1, 2, 2, 2, 3])
  active.clear()
  expect(active.byId.size).toBe(0)
})

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { findStale } from './find-stale.ts'
import { clusterPrograms, apiServerGroups, type ProgramGroup } from './programs.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'loraplex-stale-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const group: ProgramGroup = {
  names: ['one', 'two'],
  module: { path: 'example.org/one', version: 'v1.2.3' },
  mark: 'our-way',
  build: () => Promise.resolve(),
}

const built = (version: string, more = ''): string =>
  `\u007fELF…dep\texample.org/one\t${version}\th1:abc=\n…${more}`

test.each<{ readonly what: string; readonly one?: string; readonly want: readonly string[] }>([
  { what: 'a program that is not there', want: ['one', 'two'] },
  { what: 'a program of another version', one: built('v1.2.2', 'our-way'), want: ['one', 'two'] },
  { what: 'a longer version', one: built('v1.2.30', 'our-way'), want: ['one', 'two'] },
  { what: 'a program built in another way', one: built('v1.2.3'), want: ['one', 'two'] },
  { what: 'all but the right one', one: built('v1.2.3', 'our-way'), want: ['two'] },
])('what has to be built: $what', async ({ one, want }) => {
  if (one !== undefined) {
    await writeFile(join(folder, 'one'), one)
  }
  expect(await findStale(folder, group)).toEqual(want)
})

test('the node has all that the API server alone has', () => {
  const namesOf = (groups: readonly ProgramGroup[]) => groups.flatMap(({ names }) => names)
  expect(namesOf(clusterPrograms)).toEqual(expect.arrayContaining([...namesOf(apiServerGroups)]))
})

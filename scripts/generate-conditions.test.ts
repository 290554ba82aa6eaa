import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { conditionReasons } from '../src/api/condition-reasons.ts'
import { problemReasons } from '../src/artifacts/problems.ts'

const documented = new Set([
  ...Object.keys(problemReasons),
  ...Object.values(conditionReasons).flatMap((conditions) =>
    Object.values(conditions).flatMap(({ reasons }) => Object.keys(reasons)),
  ),
])

/** Reasons of something else than a condition. */
const elsewhere = new Set(['BaseModel', 'AlreadyLoaded'])

/** How reasons are written in the code: a field, a helper's argument, a row of the engine's load errors. */
const written = [
  /\breason: '([A-Z]\w+)'/g,
  /\b(?:yes|no)\(\s*'([A-Z]\w+)'/g,
  /\bverdict\(\s*[^,]+,\s*'([A-Z]\w+)'/g,
  /\brow\(\/.+?\/i?, '\w+', '([A-Z]\w+)'/g,
]

test('every reason that the code can give is on the reference page', () => {
  const files = ['core', 'agent', 'controller', 'artifacts', 'engine'].flatMap((folder) =>
    sources(join('src', folder)),
  )
  const given = files
    .filter((path) => !path.includes('backend'))
    .flatMap((path) => {
      const text = readFileSync(path, 'utf8')
      return written.flatMap((pattern) =>
        [...text.matchAll(pattern)].map((match) => match[1] ?? ''),
      )
    })
  expect(given).toContain('WaitingForGateways')
  expect(given).toContain('WrongModules')
  expect(given.filter((reason) => !documented.has(reason) && !elsewhere.has(reason))).toEqual([])
})

function sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => join(folder, name))
}

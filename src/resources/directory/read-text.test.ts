import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { readObject } from './read-object.ts'
import { readText } from './read-text.ts'
import { readYaml } from './yaml-documents.ts'

const document = fc.constantFrom(
  'apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n',
  'apiVersion: v1\nkind: Namespace\nmetadata:\n  name: A\n',
  'apiVersion: apps/v1\nkind: Deployment\n',
  'apiVersion: loraplex.dev/v1alpha1\nkind: ModelTenant\nmetadata: {name: t}\nspec:\n  wight: 1\n',
  'a: |\n  text\n\n  --- not a marker\nb: 1\n',
  '# a comment\n',
  '',
  'a: "two\n  lines"\n',
  'a: {\n',
  'kind: List\napiVersion: v1\nitems:\n- kind: X\n',
)
const marker = fc.constantFrom('---\n', '--- # words\n', '---   \n', '...\n---\n')
const texts = fc
  .array(fc.tuple(marker, document), { maxLength: 6 })
  .map((parts) => parts.flat().join(''))

test('reading document by document finds what reading the whole does', async () => {
  await fc.assert(
    fc.asyncProperty(texts, async (text) => {
      const { reading } = await readText(text)
      const whole = readYaml(text)
      expect(reading.outcome).toBe(whole.outcome)
      if (reading.outcome === 'Read' && whole.outcome === 'Read') {
        expect(reading.objects).toEqual(whole.objects.map(readObject))
      }
    }),
  )
})

test('a document that did not change is the same value, at its new place', async () => {
  const kept = '---\napiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n'
  const first = await readText(kept)
  const second = await readText(`---\n# new\nkind: X\napiVersion: y\n${kept}`, first.cache)
  const before = first.reading.outcome === 'Read' ? first.reading.objects[0] : undefined
  const after = second.reading.outcome === 'Read' ? second.reading.objects[1] : undefined
  expect(after).toMatchObject({ outcome: 'Own', position: { line: 6, column: 1 } })
  expect(
    after?.outcome === 'Own' && before?.outcome === 'Own' && after.object === before.object,
  ).toBe(true)
})

test('one document that would stall everything is refused', async () => {
  const { reading } = await readText(`a: |\n${'  x\n'.repeat(200_000)}`)
  expect(reading).toMatchObject({
    outcome: 'Broken',
    problem: { message: expect.stringContaining('split it') },
  })
})

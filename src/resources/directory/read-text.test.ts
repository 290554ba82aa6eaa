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

test('a large document stalls nothing', { timeout: 30_000 }, async () => {
  const list = `apiVersion: v1\nkind: List\nitems:\n${'- {apiVersion: v1, kind: Namespace, metadata: {name: a}}\n'.repeat(3000)}`
  let turns = 0
  const timer = setInterval(() => (turns += 1), 5)
  const { reading } = await readText(list)
  clearInterval(timer)
  expect(reading.outcome === 'Read' && reading.objects.length).toBe(3000)
  expect(turns).toBeGreaterThan(5)
})

test(
  'a document that takes the parser too long is given up when its reader goes',
  { timeout: 30_000 },
  async () => {
    const closing = new AbortController()
    const reading = readText(`a: ${'[]'.repeat(500_000)}`, new Map(), closing.signal)
    closing.abort()
    expect(await reading).toMatchObject({
      reading: { outcome: 'Broken', problem: { message: expect.stringContaining('too long') } },
    })
  },
)

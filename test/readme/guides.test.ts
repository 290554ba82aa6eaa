import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { fieldProblemText } from '../../src/api/field-problem.ts'
import { claimsOurGroup, validateObject } from '../../src/api/validate.ts'
import { commands } from '../../src/cli/commands.ts'
import { readBlocks } from './read-blocks.ts'

const folder = fileURLToPath(new URL('../../docs/guides', import.meta.url))
const guides = readdirSync(folder).map((name) => ({
  name,
  text: readFileSync(join(folder, name), 'utf8'),
}))

/** This one is about one machine, the others are about clusters. */
const oneMachine = 'standalone.md'

const objectsOf = (text: string): readonly unknown[] =>
  readBlocks(text)
    .filter(({ language }) => language === 'yaml')
    .flatMap((block) => parseAllDocuments(block.text).map((document): unknown => document.toJS()))
    .filter(claimsOurGroup)

/** `loraplex` where a command begins: a release may have the same name. */
const commandLinesOf = (text: string): readonly RegExpMatchArray[] => [
  ...text.matchAll(/(?:^|`|npx )loraplex ((?:(?:keys|ledger) )?[a-z][a-z-]+)([^`\n]*)/gm),
]

test.for(guides)('every object in $name is taken without a word', ({ name, text }) => {
  const problems = objectsOf(text).flatMap(
    (object) => validateObject(object, { oneMachine: name === oneMachine }).problems,
  )
  expect(problems.map(fieldProblemText)).toEqual([])
})

test.for(guides)('every command and flag in $name is there', ({ text }) => {
  const unknown = commandLinesOf(text).flatMap(([line, name = '', rest = '']) => {
    const command = commands.find((one) => one.name === name)
    const flags = [...rest.matchAll(/--([a-z][a-z-]+)/g)].map((match) => match[1] ?? '')
    return command !== undefined && flags.every((flag) => flag in command.options) ? [] : [line]
  })
  expect(unknown).toEqual([])
})

test.each([oneMachine, 'kubernetes.md'])('%s has both', (name) => {
  const text = guides.find((guide) => guide.name === name)?.text ?? ''
  expect(objectsOf(text).length).toBeGreaterThan(1)
  expect(commandLinesOf(text).length).toBeGreaterThan(1)
})

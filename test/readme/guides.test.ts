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

test.for(guides)('every object in $name is taken without a word', ({ text }) => {
  const objects = readBlocks(text)
    .filter(({ language }) => language === 'yaml')
    .flatMap((block) => parseAllDocuments(block.text).map((document): unknown => document.toJS()))
    .filter(claimsOurGroup)
  expect(objects.length).toBeGreaterThan(0)
  const problems = objects.flatMap(
    (object) => validateObject(object, { oneMachine: true }).problems,
  )
  expect(problems.map(fieldProblemText)).toEqual([])
})

test.for(guides)('every command and flag in $name is there', ({ text }) => {
  const lines = [...text.matchAll(/\bloraplex ((?:keys )?[a-z][a-z-]+)([^`\n]*)/g)]
  const unknown = lines.flatMap(([line, name = '', rest = '']) => {
    const command = commands.find((one) => one.name === name)
    const flags = [...rest.matchAll(/--([a-z][a-z-]+)/g)].map((match) => match[1] ?? '')
    return command !== undefined && flags.every((flag) => flag in command.options) ? [] : [line]
  })
  expect(lines.length).toBeGreaterThan(0)
  expect(unknown).toEqual([])
})

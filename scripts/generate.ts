import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import process from 'node:process'
import { crdKinds } from '../src/crds/crd-yaml.ts'
import { generateRequestFields, requestFieldsPage } from './generate-request-fields.ts'
import { crdFile } from './generate-crds.ts'
import { chartFiles } from './generate-chart.ts'
import { cliPage } from './generate-cli.ts'
import { conditionsPage } from './generate-conditions.ts'
import { errorsPage } from './generate-errors.ts'
import { resourcesPage } from './generate-resources.ts'

/** Every generated file of the repository, with its content as it should be. */
const generated: ReadonlyMap<string, () => string> = new Map([
  ['src/gateway/request/request-fields.generated.ts', generateRequestFields],
  ['docs/reference/request-fields.md', requestFieldsPage],
  ['docs/reference/errors.md', errorsPage],
  ['docs/reference/commands.md', cliPage],
  ['docs/reference/resources.md', resourcesPage],
  ['docs/reference/conditions.md', conditionsPage],
  ...crdKinds.map(crdFile),
  ...chartFiles,
])

const checkOnly = process.argv.includes('--check')
let drifted = 0
for (const [path, generate] of generated) {
  const content = generate()
  if (read(path) === content) {
    continue
  }
  drifted += 1
  if (checkOnly) {
    console.error(`${path} is not what \`npm run generate\` writes`)
  } else {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, content)
    console.error(`wrote ${path}`)
  }
}
process.exitCode = checkOnly && drifted > 0 ? 1 : 0

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

import { expect, test } from 'vitest'
import { noBareErrors } from './bare-errors.ts'
import { decisionRecords } from './decision-records.ts'
import { importRules } from './import-rules.ts'
import { liveLinks } from './links.ts'
import { namedTests } from './named-tests.ts'
import { noOwnMachine } from './own-machine.ts'
import { pureCore } from './pure-core.ts'
import { readmeLength } from './readme-length.ts'
import type { SourceCheck, SourceFile } from './source-file.ts'

const file = (path: string, text: string): SourceFile => ({ path, text })
const home = ['', 'home', 'somebody', 'loraplex'].join('/')
const registry = ['registry', 'npmjs', 'org'].join('.')
const record = '# 1\n\n## Context\n\n## Choice\n\n## Turned down\n\n## How to undo it\n'

const cases: Readonly<
  Record<string, { check: SourceCheck; files: readonly SourceFile[]; wantFindings: number }>
> = {
  'core may import api and itself': {
    check: importRules,
    files: [
      file('src/core/a.ts', "import { b } from './b.ts'\nimport type { C } from '../api/c.ts'"),
    ],
    wantFindings: 0,
  },
  'core may not import the engine, in whatever form': {
    check: importRules,
    files: [
      file('src/core/a.ts', "import {\n  b,\n} from '../engine/b.ts'"),
      file('src/core/b.ts', "export { b } from '../engine/b.ts'"),
      file('src/core/c.ts', "const b = await import('../engine/b.ts')"),
      file('src/core/d.ts', "import { readFile } from 'node:fs'"),
    ],
    wantFindings: 4,
  },
  'gateway and agent may not import each other, from any depth': {
    check: importRules,
    files: [
      file('src/gateway/plugins/a.ts', "import type { B } from '../../agent/b.ts'"),
      file('src/agent/a.ts', "import { b } from '../gateway/b.ts'"),
    ],
    wantFindings: 2,
  },
  'nothing in src imports a test': {
    check: importRules,
    files: [file('src/cli/a.ts', "import { b } from '../../test/support/b.ts'")],
    wantFindings: 1,
  },
  'tests import what they like': {
    check: importRules,
    files: [file('src/core/a.test.ts', "import { b } from '../engine/b.ts'")],
    wantFindings: 0,
  },
  'core reads no clock': {
    check: pureCore,
    files: [
      file('src/core/a.ts', 'const now = Date.now()\nconst then = new Date(now)'),
      file('src/core/b.ts', '// not Date.now() here\nsetTimeout(f)'),
      file('src/agent/a.ts', 'const now = Date.now()'),
    ],
    wantFindings: 2,
  },
  'a bare error is found in the product only': {
    check: noBareErrors,
    files: [
      file('src/sim/a.ts', "throw new Error('x')"),
      file('src/sim/a.test.ts', "throw new Error('x')"),
    ],
    wantFindings: 1,
  },
  'a home folder and a registry are found, a route of ours is not': {
    check: noOwnMachine,
    files: [
      file('docs/a.md', `see ${home}\nnpm from ${registry}\n`),
      file('src/a.ts', "get('/v1/work/x')"),
      file('package-lock.json', `"resolved": "https://example.test/a.tgz"`),
    ],
    wantFindings: 3,
  },
  'a README of 201 lines is too long': {
    check: readmeLength,
    files: [file('README.md', 'line\n'.repeat(201)), file('docs/README.md', 'line\n'.repeat(300))],
    wantFindings: 1,
  },
  'decision records are numbered without a gap': {
    check: decisionRecords,
    files: [file('docs/adr/0001-a.md', record), file('docs/adr/0003-c.md', record)],
    wantFindings: 1,
  },
  'a decision record says how to undo it': {
    check: decisionRecords,
    files: [file('docs/adr/0001-a.md', record.replace('## How to undo it\n', ''))],
    wantFindings: 1,
  },
  'a page names tests that are there': {
    check: namedTests,
    files: [
      file('SECURITY.md', '`core/a.test.ts` and `core/gone.test.ts`'),
      file('src/core/a.test.ts', ''),
    ],
    wantFindings: 1,
  },
  'a link leads to a file or a folder': {
    check: liveLinks,
    files: [
      file('docs/a.md', '[b](b.md#part) [c](../src) [d](https://example.test) [e](gone.md)'),
      file('docs/b.md', ''),
      file('src/c.ts', ''),
    ],
    wantFindings: 1,
  },
}

test.for(Object.entries(cases))('%s', ([, { check, files, wantFindings }]) => {
  expect(check(files)).toHaveLength(wantFindings)
})

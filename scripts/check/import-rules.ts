import { posix } from 'node:path'
import type { SourceCheck, SourceFile } from './source-file.ts'

interface ImportRule {
  /** First folder below `src`. */
  readonly from: string
  /** Whether a module of `from` may import this one: a first folder below `src`, or a package. */
  readonly allows: (imported: string) => boolean
  readonly words: string
}

/** Nothing but a function of its arguments, although it lies in Node. */
const pureModules: ReadonlySet<string> = new Set(['node:crypto'])

/** Types of objects that ours embed; nothing of it runs. */
const coreTypes = '@kubernetes/client-node'

const apart = ['gateway', 'controller', 'agent']

const rules: readonly ImportRule[] = [
  {
    from: 'api',
    allows: (imported) =>
      ['api', 'errors.ts', 'zod', coreTypes].includes(imported) || pureModules.has(imported),
    words: 'api imports only errors.ts, zod and the types of Kubernetes',
  },
  {
    from: 'core',
    allows: (imported) =>
      ['core', 'api', 'errors.ts'].includes(imported) || pureModules.has(imported),
    words: 'core imports only api: snapshot in, plan out',
  },
  ...apart.map((from) => ({
    from,
    allows: (imported: string) => imported === from || !apart.includes(imported),
    words: 'gateway, controller and agent meet in api, core and wire types',
  })),
  {
    from: 'ledger',
    allows: (imported) =>
      ['ledger', 'core', 'errors.ts', 'pg', '@redis/client'].includes(imported) ||
      imported.startsWith('node:'),
    words: 'the ledger knows holds and counters, and nobody who takes them',
  },
  {
    from: 'sim',
    allows: (imported) => ![...apart, 'standalone', 'cli'].includes(imported),
    words: 'the simulator stands where vLLM stands, and knows nobody above it',
  },
]

/** Which folder may import which (tests are free). */
export const importRules: SourceCheck = (files) =>
  files.filter(isProductSource).flatMap((file) => {
    const from = topFolder(file.path)
    const broken = importsOf(file).flatMap((specifier) => {
      const imported = specifier.startsWith('.')
        ? topFolder(posix.join(posix.dirname(file.path), specifier))
        : specifier
      return rules
        .filter((rule) => rule.from === from && !rule.allows(imported))
        .map((rule) => `${file.path} imports ${specifier}: ${rule.words}`)
    })
    const leaves = importsOf(file).filter(
      (specifier) =>
        specifier.startsWith('.') &&
        !posix.join(posix.dirname(file.path), specifier).startsWith('src/'),
    )
    return [
      ...broken,
      ...leaves.map((specifier) => `${file.path} imports ${specifier}: outside src`),
    ]
  })

export function isProductSource({ path }: SourceFile): boolean {
  return path.startsWith('src/') && path.endsWith('.ts') && !path.endsWith('.test.ts')
}

/** `src/core/slots.ts` is in `core`; `src/errors.ts` is itself. */
function topFolder(path: string): string {
  return path.split('/')[1] ?? ''
}

const importPattern =
  /^\s*(?:import|export)\b[^'"`;]*?\bfrom\s+'([^']+)'|^\s*import\s+'([^']+)'|\bimport\(\s*'([^']+)'/gm

function importsOf(file: SourceFile): readonly string[] {
  return [...file.text.matchAll(importPattern)].map(
    (match) => match[1] ?? match[2] ?? match[3] ?? '',
  )
}

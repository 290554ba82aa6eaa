import type { FieldPath } from './field-path.ts'
import { fault, type FieldProblem } from './field-problem.ts'
import type { Kind } from './kinds.ts'

/** What is wrong with a spec only because of where it is read: a folder on one machine, or a cluster. */
export function checkSurroundings(
  kind: Kind,
  spec: Readonly<Record<string, unknown>>,
  oneMachine: boolean,
): readonly FieldProblem[] {
  if (oneMachine) {
    return uriFields
      .filter((field) => field.kind === kind)
      .flatMap(({ steps, words }) => otherSchemes(spec, steps, ['spec'], words))
  }
  return kind === 'ModelPool' ? imageMissing(spec) : []
}

const uriFields: readonly {
  readonly kind: Kind
  /** `*` is every entry of a list. */
  readonly steps: readonly string[]
  readonly words: string
}[] = [
  { kind: 'ModelPool', steps: ['model', 'uri'], words: 'file:///absolute/folder or file:./folder' },
  {
    kind: 'ModelPool',
    steps: ['lora', 'sources', '*', 'uriPrefix'],
    words: 'file:… ending in /; may hold ${namespace}',
  },
  {
    kind: 'LoraAdapter',
    steps: ['source', 'uri'],
    words: 'file:./folder, file:./file.tar.gz or file:///absolute',
  },
]

function otherSchemes(
  value: unknown,
  steps: readonly string[],
  path: FieldPath,
  words: string,
): readonly FieldProblem[] {
  const [step, ...deeper] = steps
  if (step === undefined) {
    return typeof value === 'string' && !value.startsWith('file:')
      ? [fault(path, `is not right; write ${words}; other schemes need a cluster`)]
      : []
  }
  if (step === '*') {
    return Array.isArray(value)
      ? value.flatMap((entry, index) => otherSchemes(entry, deeper, [...path, index], words))
      : []
  }
  return otherSchemes(fieldOf(value, step), deeper, [...path, step], words)
}

function imageMissing(spec: Readonly<Record<string, unknown>>): readonly FieldProblem[] {
  const engine = spec['engine']
  const endpoints = fieldOf(engine, 'endpoints')
  const runsAlready = Array.isArray(endpoints) && endpoints.length > 0
  return runsAlready || fieldOf(engine, 'image') !== undefined
    ? []
    : [
        fault(
          ['spec', 'engine', 'image'],
          'is missing; write an image of vLLM, or engine.endpoints',
        ),
      ]
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined
}

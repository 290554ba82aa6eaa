import type { FieldPath } from './field-path.ts'
import { fault, type FieldProblem } from './field-problem.ts'
import type { Kind } from './kinds.ts'
import type { LoraAdapterSpec } from './lora-adapter.ts'
import type { ModelPoolSpec } from './model-pool.ts'
import type { ModelTenantSpec } from './model-tenant.ts'
import { findReservedFlags } from './reserved-engine-flags.ts'
import type { TenantKeySpec } from './tenant-key.ts'
import { isTimeZone } from './time-zone.ts'
import { hasDotStep } from './uris.ts'

/** What the schema cannot say: names that occur twice, flags that are ours, a key where its hash belongs. CRDs say it in CEL. */
export function checkSpec(kind: Kind, spec: unknown): readonly FieldProblem[] {
  // The schema of `kind` parsed it.
  switch (kind) {
    case 'ModelPool':
      return checkPool(spec as ModelPoolSpec)
    case 'LoraAdapter':
      return checkAdapter(spec as LoraAdapterSpec)
    case 'ModelTenant':
      return checkTenant(spec as ModelTenantSpec)
    case 'TenantKey':
      return checkKey(spec as TenantKeySpec)
    default:
      return kind satisfies never
  }
}

function checkPool(spec: ModelPoolSpec): readonly FieldProblem[] {
  const args = ['spec', 'engine', 'args']
  return [
    ...findReservedFlags(spec.engine.args).map(({ flag, index, instead }) =>
      fault([...args, index], `holds ${flag}, which is not yours to set: ${instead}`),
    ),
    ...spec.engine.args.flatMap((arg, index) =>
      arg === '--' || (index === 0 && !arg.startsWith('-'))
        ? [
            fault(
              [...args, index],
              'is no flag; write flags such as --enforce-eager, each word an entry of its own',
            ),
          ]
        : [],
    ),
    ...repeated(['spec', 'engine', 'endpoints'], spec.engine.endpoints, ({ name }) => name, 'name'),
    ...repeated(
      ['spec', 'engine', 'endpoints'],
      spec.engine.endpoints,
      ({ url }) => url.replace(/\/$/, ''),
      'url',
    ),
    ...repeated(
      ['spec', 'lora', 'sources'],
      spec.lora.sources ?? [],
      ({ uriPrefix }) => uriPrefix,
      'uriPrefix',
    ),
    ...dotSteps(['spec', 'model', 'uri'], spec.model.uri),
    ...checkInputs(spec.model),
    ...(spec.lora.sources ?? []).flatMap(({ uriPrefix }, index) =>
      dotSteps(['spec', 'lora', 'sources', index, 'uriPrefix'], uriPrefix),
    ),
  ]
}

function checkInputs({
  inputs,
  task,
  maxModelLen,
}: ModelPoolSpec['model']): readonly FieldProblem[] {
  const path = ['spec', 'model', 'inputs']
  const lists =
    inputs.includes('Text') && new Set(inputs).size === inputs.length
      ? []
      : [fault(path, 'must be [Text] or [Text, Image]')]
  if (!inputs.includes('Image')) {
    return lists
  }
  return [
    ...lists,
    ...(task === 'Generate' ? [] : [fault(path, 'may hold Image with task: Generate only')]),
    ...(maxModelLen === undefined
      ? [
          fault(
            ['spec', 'model', 'maxModelLen'],
            'is needed with inputs: [Text, Image]: nothing else bounds the tokens of an image',
          ),
        ]
      : []),
  ]
}

function checkAdapter({ residency, source }: LoraAdapterSpec): readonly FieldProblem[] {
  const copies =
    residency.maxCopies !== undefined && residency.maxCopies < residency.minCopies
      ? [
          fault(
            ['spec', 'residency', 'maxCopies'],
            `is ${residency.maxCopies}; write at least residency.minCopies, which is ${residency.minCopies}`,
          ),
        ]
      : []
  return [...copies, ...dotSteps(['spec', 'source', 'uri'], source.uri)]
}

function dotSteps(path: FieldPath, uri: string): readonly FieldProblem[] {
  return hasDotStep(uri) ? [fault(path, 'has . or .. as a step; write the path without them')] : []
}

function checkTenant(spec: ModelTenantSpec): readonly FieldProblem[] {
  return [
    ...repeated(['spec', 'namespaces'], spec.namespaces ?? [], ({ name }) => name, 'name'),
    ...repeated(['spec', 'models'], spec.models, ({ name }) => name, 'name'),
    ...repeated(['spec', 'budgets'], spec.budgets, ({ name }) => name, 'name'),
    ...spec.budgets.flatMap(({ timeZone }, index) =>
      isTimeZone(timeZone)
        ? []
        : [
            fault(
              ['spec', 'budgets', index, 'timeZone'],
              'is no time zone; write one such as Europe/Berlin',
            ),
          ],
    ),
  ]
}

const mintedKey = /^lpx_.+_[A-Za-z0-9_-]{43}$/

function checkKey(spec: TenantKeySpec): readonly FieldProblem[] {
  return spec.id !== undefined && mintedKey.test(spec.id)
    ? [
        fault(
          ['spec', 'id'],
          'looks like a whole key, which must not be in a file; write its part between the underscores',
        ),
      ]
    : []
}

function repeated<T>(
  path: FieldPath,
  entries: readonly T[],
  nameOf: (entry: T) => string,
  field: string,
): readonly FieldProblem[] {
  const seen = new Set<string>()
  return entries.flatMap((entry, index) => {
    const name = nameOf(entry)
    const isRepeated = seen.has(name)
    seen.add(name)
    return isRepeated
      ? [fault([...path, index, field], 'is there twice; each must be another one')]
      : []
  })
}

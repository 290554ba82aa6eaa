import { BugError } from '../errors.ts'
import type { StructuralSchema } from './structural-schema.ts'

/** The schema with the part at a dotted path changed (`spec.models[].name`; `[]` is every entry of a list). */
export function changedAt(
  schema: StructuralSchema,
  path: string,
  change: (found: StructuralSchema) => StructuralSchema,
): StructuralSchema {
  return walk(schema, stepsOf(path), (found) => {
    if (found === undefined) {
      throw new BugError(`the CRD's schema has nothing at ${path}`)
    }
    return change(found)
  })
}

export function schemaAt(schema: StructuralSchema, path: string): StructuralSchema | undefined {
  return stepsOf(path).reduce<StructuralSchema | undefined>(
    (found, step) => (step === '[]' ? found?.items : found?.properties?.[step]),
    schema,
  )
}

function stepsOf(path: string): readonly string[] {
  return path.replaceAll('[]', '.[]').split('.')
}

function walk(
  schema: StructuralSchema | undefined,
  [step, ...deeper]: readonly string[],
  change: (found: StructuralSchema | undefined) => StructuralSchema,
): StructuralSchema {
  if (schema === undefined || step === undefined) {
    return change(schema)
  }
  return step === '[]'
    ? { ...schema, items: walk(schema.items, deeper, change) }
    : {
        ...schema,
        properties: {
          ...schema.properties,
          [step]: walk(schema.properties?.[step], deeper, change),
        },
      }
}

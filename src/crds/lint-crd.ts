import coreTypes from './core-types.json' with { type: 'json' }
import type { CustomResourceDefinition } from './crd-of.ts'
import type { StructuralSchema } from './structural-schema.ts'

/** `kubectl apply` keeps the whole object in an annotation, and all annotations together may have 256 KiB. */
const maxApplyBytes = 262_144

/** What is wrong with a CRD, by path; empty when nothing is. The API server would take some of it and suffer later. */
export function lintCrd(crd: CustomResourceDefinition): readonly string[] {
  const { openAPIV3Schema } = crd.spec.versions[0].schema
  const bytes = Buffer.byteLength(JSON.stringify(crd))
  return [
    ...lintSchema(openAPIV3Schema, crd.spec.names['kind'] as string, 'root'),
    ...(bytes < maxApplyBytes ? [] : [`${bytes} bytes are too many for kubectl apply`]),
  ]
}

type Place = 'root' | 'inner'
type Check = (schema: StructuralSchema, place: Place) => string | undefined

/** Structural rules first, then bounds: CEL's cost is reckoned from them, and so is what one object may weigh. */
const checks: readonly Check[] = [
  (schema) =>
    schema.type === undefined && schema['x-kubernetes-int-or-string'] !== true
      ? 'has no type'
      : undefined,
  (schema) => {
    const foreign = Object.keys(schema).filter((keyword) => !keywords.has(keyword))
    return foreign.length > 0 ? `has keywords of no CRD: ${foreign.join(', ')}` : undefined
  },
  (schema) =>
    schema.anyOf !== undefined && schema['x-kubernetes-int-or-string'] !== true
      ? 'is a union; only int-or-string may be one'
      : undefined,
  (schema) =>
    schema.properties !== undefined && schema.additionalProperties !== undefined
      ? 'has both properties and additionalProperties'
      : undefined,
  (schema) =>
    schema.type === 'string' &&
    schema.maxLength === undefined &&
    schema.enum === undefined &&
    schema.format !== 'date-time'
      ? 'is a text without maxLength'
      : undefined,
  (schema) =>
    schema.type === 'integer' &&
    schema.enum === undefined &&
    (schema.minimum === undefined || schema.maximum === undefined)
      ? 'is a number without bounds'
      : undefined,
  (schema) =>
    schema.type === 'number' ? 'is a fraction; write it as text or in smaller units' : undefined,
  (schema) =>
    schema.type === 'array' && schema.maxItems === undefined
      ? 'is a list without maxItems'
      : undefined,
  (schema) => (schema.type === 'array' ? listTypeFault(schema) : undefined),
  (schema, place) =>
    schema.type === 'object' &&
    schema.properties === undefined &&
    schema.maxProperties === undefined &&
    schema['x-kubernetes-preserve-unknown-fields'] !== true &&
    place === 'inner'
      ? 'is a map without maxProperties'
      : undefined,
  (schema) =>
    (schema['x-kubernetes-validations'] ?? []).some(
      ({ message, messageExpression }) => message === undefined && messageExpression === undefined,
    )
      ? 'has a rule without words'
      : undefined,
]

const keywords = new Set([
  'type',
  'format',
  'description',
  'default',
  'enum',
  'anyOf',
  'properties',
  'required',
  'additionalProperties',
  'items',
  'minimum',
  'maximum',
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
  'minProperties',
  'maxProperties',
  'pattern',
  'nullable',
  'x-kubernetes-int-or-string',
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-list-type',
  'x-kubernetes-list-map-keys',
  'x-kubernetes-map-type',
  'x-kubernetes-validations',
])

function listTypeFault(schema: StructuralSchema): string | undefined {
  const type = schema['x-kubernetes-list-type']
  if (type === undefined) {
    return 'is a list without x-kubernetes-list-type'
  }
  const keys = schema['x-kubernetes-list-map-keys'] ?? []
  if ((type === 'map') !== keys.length > 0) {
    return 'needs x-kubernetes-list-map-keys if, and only if, its type is map'
  }
  const loose = keys.filter(
    (key) =>
      !(schema.items?.required ?? []).includes(key) &&
      schema.items?.properties?.[key]?.default === undefined,
  )
  return loose.length > 0 ? `has keys that may be absent: ${loose.join(', ')}` : undefined
}

const coreShapes = new Set(
  Object.values(coreTypes).map((schema) => JSON.stringify(Object.keys(schema.properties))),
)

/** Kubernetes' own types are as they are: their bounds are those of the pods that are made from them. */
function isCoreType(schema: StructuralSchema): boolean {
  return coreShapes.has(JSON.stringify(Object.keys(schema.properties ?? {})))
}

function lintSchema(schema: StructuralSchema, path: string, place: Place): readonly string[] {
  if (isCoreType(schema)) {
    return []
  }
  const own = checks.flatMap((check) => {
    const fault = check(schema, place)
    return fault === undefined ? [] : [`${path} ${fault}`]
  })
  const inner = Object.entries(schema.properties ?? {})
    // What an API server writes there is not ours to bound.
    .filter(([name]) => place !== 'root' || (name !== 'apiVersion' && name !== 'kind'))
    .flatMap(([name, one]) => lintSchema(one, `${path}.${name}`, 'inner'))
  return [
    ...own,
    ...inner,
    ...(schema.items === undefined ? [] : lintSchema(schema.items, `${path}[]`, 'inner')),
    ...(schema.additionalProperties === undefined
      ? []
      : lintSchema(schema.additionalProperties, `${path}.*`, 'inner')),
  ]
}

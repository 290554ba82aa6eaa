// Takes the schemas of Kubernetes' own types that our CRDs embed from a real API server and writes them down, without
// descriptions and references: `node bin/run.mjs scripts/vendor-core-types.ts` after a new Kubernetes came to the test bed.
import { writeFileSync } from 'node:fs'
import type { StructuralSchema } from '../src/crds/structural-schema.ts'
import { startApiServer } from '../test/support/api-server.ts'

/** What the API server publishes; only the keywords that are carried over. */
interface OpenApiSchema {
  readonly $ref?: string
  readonly allOf?: readonly OpenApiSchema[]
  readonly type?: StructuralSchema['type']
  readonly format?: string
  readonly enum?: readonly string[]
  readonly default?: unknown
  readonly required?: readonly string[]
  readonly properties?: Readonly<Record<string, OpenApiSchema>>
  readonly items?: OpenApiSchema
  readonly additionalProperties?: OpenApiSchema
  readonly 'x-kubernetes-list-type'?: 'atomic' | 'set' | 'map'
  readonly 'x-kubernetes-list-map-keys'?: readonly string[]
  readonly 'x-kubernetes-map-type'?: 'atomic' | 'granular'
}

const prefix = '#/components/schemas/'
const quantity: StructuralSchema = {
  anyOf: [{ type: 'integer' }, { type: 'string' }],
  pattern: '^[+-]?([0-9]+|[0-9]+\\.[0-9]*|\\.[0-9]+)([numkKMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?$',
  'x-kubernetes-int-or-string': true,
}

/** Types that are written anew: what a template may say, and what a CRD cannot express. */
const replaced: Readonly<Record<string, StructuralSchema>> = {
  'io.k8s.apimachinery.pkg.api.resource.Quantity': quantity,
  'io.k8s.apimachinery.pkg.util.intstr.IntOrString': {
    anyOf: [{ type: 'integer' }, { type: 'string' }],
    'x-kubernetes-int-or-string': true,
  },
  'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta': {
    type: 'object',
    properties: {
      annotations: { type: 'object', additionalProperties: { type: 'string' } },
      labels: { type: 'object', additionalProperties: { type: 'string' } },
    },
  },
}

/** Fields that a template cannot use. */
const dropped = new Set(['ephemeralContainers'])

/** A template is merged with ours, so it need not be whole. */
const optional = new Set(['io.k8s.api.core.v1.PodSpec.containers'])

const api = await startApiServer()
try {
  const { body } = await api.ask('GET', '/openapi/v3/api/v1')
  const schemas = body.components.schemas as Readonly<Record<string, OpenApiSchema>>
  const volume = structural({ $ref: `${prefix}io.k8s.api.core.v1.Volume` }, schemas)
  const { name: _name, ...sources } = volume.properties ?? {}
  const written = {
    PodTemplateSpec: structural({ $ref: `${prefix}io.k8s.api.core.v1.PodTemplateSpec` }, schemas),
    ResourceRequirements: structural(
      { $ref: `${prefix}io.k8s.api.core.v1.ResourceRequirements` },
      schemas,
    ),
    VolumeSource: { type: 'object', properties: sources },
  }
  writeFileSync('src/crds/core-types.json', `${JSON.stringify(written)}\n`)
} finally {
  await api.stop()
}

function structural(
  schema: OpenApiSchema,
  all: Readonly<Record<string, OpenApiSchema>>,
): StructuralSchema {
  const reference = schema.$ref ?? schema.allOf?.[0]?.$ref
  if (reference === undefined) {
    return own('', schema, all)
  }
  const name = reference.slice(prefix.length)
  const found = replaced[name] ?? (all[name] === undefined ? undefined : own(name, all[name], all))
  if (found === undefined) {
    throw new Error(`the API server refers to ${name} and does not have it`)
  }
  return found
}

function own(
  name: string,
  schema: OpenApiSchema,
  all: Readonly<Record<string, OpenApiSchema>>,
): StructuralSchema {
  const required = schema.required?.filter((field) => !optional.has(`${name}.${field}`)) ?? []
  return {
    ...copied(schema),
    ...(required.length === 0 ? {} : { required }),
    ...(schema.properties === undefined
      ? {}
      : {
          properties: Object.fromEntries(
            Object.entries(schema.properties)
              .filter(([field]) => !dropped.has(field))
              .map(([field, inner]) => [field, structural(inner, all)]),
          ),
        }),
    ...(schema.additionalProperties === undefined
      ? {}
      : { additionalProperties: structural(schema.additionalProperties, all) }),
    ...(schema.items === undefined ? {} : { items: itemsOf(schema, schema.items, all) }),
  }
}

function copied(schema: OpenApiSchema): StructuralSchema {
  const names = [
    'type',
    'format',
    'enum',
    'x-kubernetes-list-type',
    'x-kubernetes-list-map-keys',
    'x-kubernetes-map-type',
  ] as const
  return Object.fromEntries(
    names.filter((name) => schema[name] !== undefined).map((name) => [name, schema[name]]),
  )
}

/** The keys of a list of maps need a default or have to be there. */
function itemsOf(
  list: OpenApiSchema,
  items: OpenApiSchema,
  all: Readonly<Record<string, OpenApiSchema>>,
): StructuralSchema {
  const inner = structural(items, all)
  const keys = list['x-kubernetes-list-map-keys'] ?? []
  const reference = items.$ref ?? items.allOf?.[0]?.$ref
  const source = reference === undefined ? items : all[reference.slice(prefix.length)]
  const presets = keys.filter((key) => Boolean(source?.properties?.[key]?.default))
  const needed = [
    ...new Set([...(inner.required ?? []), ...keys.filter((key) => !presets.includes(key))]),
  ]
  return {
    ...inner,
    ...(needed.length === 0 ? {} : { required: needed }),
    ...(presets.length === 0
      ? {}
      : {
          properties: Object.fromEntries(
            Object.entries(inner.properties ?? {}).map(([field, value]) => [
              field,
              presets.includes(field)
                ? { ...value, default: source?.properties?.[field]?.default }
                : value,
            ]),
          ),
        }),
  }
}

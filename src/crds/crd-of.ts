import { kinds, type Kind } from '../api/kinds.ts'
import { apiVersion, objectName } from '../api/metadata.ts'
import { statusSchemas } from '../api/status-schemas.ts'
import { changedAt } from './at-path.ts'
import { withLaterFields } from './later-field-schemas.ts'
import { printerColumns, type PrinterColumn } from './printer-columns.ts'
import { withQuietTexts } from './quiet-texts.ts'
import { specRules } from './spec-rules.ts'
import { structuralOf } from './structural.ts'
import type { StructuralSchema } from './structural-schema.ts'

export interface CustomResourceDefinition {
  readonly apiVersion: 'apiextensions.k8s.io/v1'
  readonly kind: 'CustomResourceDefinition'
  readonly metadata: { readonly name: string }
  readonly spec: {
    readonly group: string
    readonly names: Readonly<Record<string, string | readonly string[]>>
    readonly scope: 'Namespaced' | 'Cluster'
    readonly versions: readonly [CrdVersion]
  }
}

interface CrdVersion {
  readonly name: string
  readonly served: boolean
  readonly storage: boolean
  readonly subresources: Readonly<Record<string, object>>
  readonly additionalPrinterColumns: readonly PrinterColumn[]
  readonly schema: { readonly openAPIV3Schema: StructuralSchema }
}

const [group = '', version = ''] = apiVersion.split('/')

/** The CRD of a kind, made from its zod schemas. */
export function crdOf(kind: Kind): CustomResourceDefinition {
  const { plural, shortName, namespaced } = kinds[kind]
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular: kind.toLowerCase(),
        shortNames: [shortName],
        categories: ['loraplex'],
      },
      scope: namespaced ? 'Namespaced' : 'Cluster',
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          subresources: { status: {}, ...(kind === 'ModelPool' ? { scale } : {}) },
          additionalPrinterColumns: printerColumns[kind],
          schema: { openAPIV3Schema: rootSchema(kind) },
        },
      ],
    },
  }
}

const scale = {
  specReplicasPath: '.spec.replicas',
  statusReplicasPath: '.status.replicas',
  labelSelectorPath: '.status.selector',
}

function rootSchema(kind: Kind): StructuralSchema {
  const root: StructuralSchema = {
    type: 'object',
    required: ['spec'],
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { type: 'object', properties: { name: structuralOf(objectName) } },
      spec: structuralOf(kinds[kind].spec),
      status: {
        ...structuralOf(statusSchemas[kind]),
        // Whoever waits for the object's own generation must not take a status that is not there for one.
        default: { observedGeneration: -1 },
      },
    },
  }
  const ruled = Object.entries(specRules[kind]).reduce(
    (schema, [path, rules]) =>
      changedAt(schema, path, (found) => ({
        ...found,
        'x-kubernetes-validations': [...(found['x-kubernetes-validations'] ?? []), ...rules],
      })),
    root,
  )
  return changedAt(withLaterFields(kind, ruled), 'spec', withQuietTexts)
}

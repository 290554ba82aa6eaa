import { z } from 'zod'
import { wholeList } from './list-types.ts'
import { modelName, namespaceName, objectName, secretName, type Resource } from './metadata.ts'
import { adapterUriPattern, adapterUriWords } from './uris.ts'

export const poolRef = z.strictObject({
  name: objectName.meta({ description: "The pool's name." }),
  namespace: namespaceName.optional().meta({ description: "Default: the adapter's own." }),
})

export const loraAdapterSpec = z.strictObject({
  poolRefs: z
    .array(poolRef)
    .length(1)
    .meta({ description: 'The pool of the base it was trained on.', ...wholeList }),
  modelName: modelName
    .optional()
    .meta({ description: 'What callers write in `model`. Default: metadata.name.' }),
  source: z.strictObject({
    uri: z.string().max(2048).regex(adapterUriPattern, adapterUriWords).meta({
      description:
        'A folder or a .tar.gz: file:./relative to this file, file:///absolute, pvc://claim/path (a claim of the pool’s namespace) or https://….',
    }),
    digest: z
      .string()
      .regex(/^(sha256:)?[0-9a-f]{64}$/, '64 hex digits, optionally after sha256:')
      .optional()
      .meta({
        description: '`sha256sum adapter_config.json adapter_model.safetensors | sha256sum`',
        maxLength: 71,
      }),
    secretRef: z
      .strictObject({ name: secretName.meta({ description: "The Secret's name." }) })
      .optional()
      .meta({
        description:
          'Secret of type loraplex.dev/source in the adapter’s namespace: `authorization` for https, `ca.crt`.',
      }),
  }),
  baseModel: z
    .string()
    .min(1)
    .max(256)
    .optional()
    .meta({ description: 'Default: what adapter_config.json says.' }),
  residency: z
    .strictObject({
      minCopies: z
        .int()
        .min(0)
        .max(64)
        .default(1)
        .meta({ description: 'Replicas that keep it loaded; 0 loads on the first call.' }),
      maxCopies: z.int().min(1).max(64).optional().meta({ description: 'Default: all replicas.' }),
    })
    .prefault({}),
  suspend: z
    .boolean()
    .default(false)
    .meta({ description: 'Callers get 503 without a retry; nothing of it stays loaded.' }),
})

export type LoraAdapterSpec = z.infer<typeof loraAdapterSpec>
export type LoraAdapter = Resource<'LoraAdapter', LoraAdapterSpec>

export function modelNameOf(adapter: LoraAdapter): string {
  return adapter.spec.modelName ?? adapter.metadata.name
}

/** `namespace/name` of the pool; the namespace defaults to the adapter's own. */
export function poolKeyOf(adapter: LoraAdapter): string {
  const [reference] = adapter.spec.poolRefs
  return `${reference?.namespace ?? adapter.metadata.namespace}/${reference?.name ?? ''}`
}

/** Fields of the cluster that mean nothing on one machine: accepted there with a notice. */
export const loraAdapterFieldsOfTheCluster = ['source.secretRef'] as const

import { z } from 'zod'
import { labelSelector, modelName, namespaceName, objectName, type Resource } from './metadata.ts'

const targetRef = z.strictObject({
  kind: z.enum(['ModelPool', 'LoraAdapter']),
  name: objectName,
  namespace: namespaceName,
})

export const modelTenantSpec = z.strictObject({
  namespaces: z
    .array(z.strictObject({ name: namespaceName, selector: labelSelector.optional() }))
    .max(64)
    .optional()
    .meta({
      description:
        "Whose adapters and keys are this tenant's. Default: the namespace of the tenant's own name.",
    }),
  models: z
    .array(z.strictObject({ name: modelName, targetRef }))
    .max(256)
    .default([])
    .meta({ description: 'Extra names: a base model, or an adapter somebody shares.' }),
  suspend: z.boolean().default(false),
})

export type ModelTenantSpec = z.infer<typeof modelTenantSpec>
export type ModelTenant = Resource<'ModelTenant', ModelTenantSpec>

import { z } from 'zod'
import { adapterQuota } from './adapter-quota.ts'
import { budget } from './budget.ts'
import { limits } from './limits.ts'
import { listBy } from './list-types.ts'
import { labelSelector, modelName, namespaceName, objectName, type Resource } from './metadata.ts'

const targetRef = z.strictObject({
  kind: z
    .enum(['ModelPool', 'LoraAdapter'])
    .meta({ description: 'A ModelPool stands for its base model.' }),
  name: objectName.meta({ description: "The object's name." }),
  namespace: namespaceName.meta({ description: 'Its namespace.' }),
})

export const modelTenantSpec = z.strictObject({
  namespaces: z
    .array(
      z.strictObject({
        name: namespaceName.meta({ description: 'The namespace.' }),
        selector: labelSelector.optional(),
      }),
    )
    .max(64)
    .optional()
    .meta({
      description:
        "Whose adapters and keys are this tenant's. Default: the namespace of the tenant's own name.",
      ...listBy('name'),
    }),
  models: z
    .array(
      z.strictObject({
        name: modelName.meta({ description: 'What callers write in `model`.' }),
        targetRef,
        limits: limits.optional().meta({
          description: 'Of what the tenant asks of this target, by whichever of its names.',
        }),
      }),
    )
    .max(256)
    .default([])
    .meta({
      description: 'Extra names: a base model, or an adapter somebody shares.',
      ...listBy('name'),
    }),
  weight: z.int().min(1).max(1000).default(1).meta({
    description:
      'Its share of a pool that more is asked of than it can do, beside the weights of the others who ask.',
  }),
  limits: limits.optional().meta({ description: 'Of all requests of the tenant together.' }),
  perUser: limits.optional().meta({
    description:
      'Of each user of the tenant: what callers write in `safety_identifier`, else in `user`. Requests without either share one.',
  }),
  adapterQuota: adapterQuota.prefault({}),
  budgets: z
    .array(budget)
    .max(16)
    .default([])
    .meta({ description: 'What the tenant may use in a day or a month.', ...listBy('name') }),
  suspend: z.boolean().default(false).meta({ description: 'Its keys are answered with 403.' }),
})

export type ModelTenantSpec = z.infer<typeof modelTenantSpec>
export type ModelTenant = Resource<'ModelTenant', ModelTenantSpec>

import { z } from 'zod'
import type { StatusByKind } from './condition.ts'
import type { Kind } from './kinds.ts'
import { listBy, wholeList } from './list-types.ts'

const count = z.int().min(0).max(2_147_483_647)

const condition = z.object({
  type: z.string().min(1).max(316),
  status: z.enum(['True', 'False', 'Unknown']),
  reason: z.string().min(1).max(1024),
  message: z.string().max(32_768),
  observedGeneration: z.int().min(0).max(Number.MAX_SAFE_INTEGER),
  lastTransitionTime: z.string().meta({ format: 'date-time' }),
})

const common = {
  observedGeneration: z
    .int()
    .min(-1)
    .max(Number.MAX_SAFE_INTEGER)
    .meta({ description: 'The generation that the rest of the status is about; -1: none yet.' }),
  conditions: z.array(condition).max(16).meta(listBy('type')),
}

/** How many of what is wanted is there. */
const share = z.object({ routable: count, wanted: count })

/**
 * What the statuses of `condition.ts` look like, for the CRDs. They are only written by us, so nothing is required: a
 * status that is not there yet is one.
 */
export const statusSchemas: Readonly<Record<Kind, z.ZodType>> = {
  ModelPool: statusOf<'ModelPool'>({
    replicas: count,
    readyReplicas: count,
    updatedReplicas: count,
    desiredReplicas: count,
    selector: z.string().max(512),
    engine: z.object({ version: z.string().max(64), simulated: z.boolean() }),
    advice: z.object({
      maxLoras: count.meta({
        description:
          'What `lora.maxLoras` had better be: slots that were enough 99 % of the busy time, and a tenth more.',
      }),
      message: z.string().max(1024),
    }),
    adapters: share,
  }),
  LoraAdapter: statusOf<'LoraAdapter'>({
    revisions: z
      .array(
        z.object({
          revision: z.string().max(64),
          digest: z.string().max(71),
          role: z.enum(['Active', 'Candidate']),
        }),
      )
      .max(16)
      .meta(listBy('revision')),
    rank: count,
    sizeBytes: z.int().min(0).max(Number.MAX_SAFE_INTEGER),
    copies: share,
  }),
  ModelTenant: statusOf<'ModelTenant'>({
    namespaces: z.array(z.string().max(63)).max(64).meta(wholeList),
    adapters: count,
    keys: count,
  }),
  TenantKey: statusOf<'TenantKey'>({ tenant: z.string().max(40) }),
}

/** A field for each of the status type's own: one that is added there without a schema would be pruned in silence. */
function statusOf<K extends Kind>(
  own: Readonly<Record<Exclude<keyof StatusByKind[K], keyof typeof common>, z.ZodType>>,
): z.ZodType {
  return z.object({ ...common, ...own }).partial()
}

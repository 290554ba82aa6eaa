import { z } from 'zod'

/** How much of a service a tenant's adapters may take together. */
export const adapterQuota = z.strictObject({
  count: z.int().min(0).max(100_000).default(100).meta({ description: 'LoraAdapters.' }),
  reservedCopies: z.int().min(0).max(1_000_000).default(100).meta({
    description:
      'The sum of their `residency.minCopies`. What is asked for beyond it is loaded on the first call, as with 0.',
  }),
  storage: z
    .string()
    .max(16)
    .regex(/^\d{1,9}([KMGTP]i|[kMGTP])?$/, 'a size such as 50Gi or 500M')
    .default('50Gi')
    .meta({ description: 'Bytes of their files; content that several have counts once.' }),
})

export type AdapterQuota = z.infer<typeof adapterQuota>

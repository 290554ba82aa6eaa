import { z } from 'zod'
import { limits } from './limits.ts'
import { wholeList } from './list-types.ts'
import { modelName, objectName, type Resource } from './metadata.ts'

export const tenantKeySpec = z.strictObject({
  tenantRef: z
    .strictObject({
      name: objectName.meta({
        description: "The tenant's name; it has to claim the key's namespace.",
      }),
    })
    .optional()
    .meta({ description: "Default: the namespace's tenant." }),
  id: z
    .string()
    .min(1)
    .max(64)
    .regex(/^[A-Za-z0-9_-]+$/, 'letters, digits, _ and -')
    .optional()
    .meta({ description: 'The part of the key that is no secret, to tell keys apart.' }),
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/, '64 hex digits: the SHA-256 of the whole key string')
    .meta({ description: 'The SHA-256 of the whole key string, in hex.', maxLength: 64 }),
  expirationTime: z.iso
    .datetime({ offset: true })
    .optional()
    .meta({ description: 'From then on the key is answered with 401.', maxLength: 64 }),
  revoked: z.boolean().default(false).meta({
    description: 'The key is answered with 401 from then on. One way: it cannot be set back.',
  }),
  models: z
    .array(modelName)
    .max(256)
    .optional()
    .meta({ description: 'Names this key may call; absent: all of the tenant’s.', ...wholeList }),
  limits: limits.optional().meta({ description: 'Of requests with this key.' }),
})

export type TenantKeySpec = z.infer<typeof tenantKeySpec>
export type TenantKey = Resource<'TenantKey', TenantKeySpec>

import { z } from 'zod'
import { modelName, objectName, type Resource } from './metadata.ts'

export const tenantKeySpec = z.strictObject({
  tenantRef: z
    .strictObject({ name: objectName })
    .optional()
    .meta({ description: "Default: the namespace's tenant." }),
  id: z
    .string()
    .min(1)
    .max(64)
    .regex(/^[A-Za-z0-9_-]+$/, 'letters, digits, _ and -')
    .optional(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, '64 hex digits: the SHA-256 of the whole key string'),
  expirationTime: z.iso.datetime({ offset: true }).optional(),
  revoked: z.boolean().default(false).meta({ description: 'One way.' }),
  models: z
    .array(modelName)
    .max(256)
    .optional()
    .meta({ description: 'Names this key may call; absent: all of the tenant’s.' }),
})

export type TenantKeySpec = z.infer<typeof tenantKeySpec>
export type TenantKey = Resource<'TenantKey', TenantKeySpec>

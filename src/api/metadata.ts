import { z } from 'zod'

export const apiVersion = 'loraplex.dev/v1alpha1'

/** A DNS label as Kubernetes has it, shortened to 40 so that derived names fit. */
export const objectName = z
  .string()
  .max(40)
  .regex(
    /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/,
    'lower-case letters, digits and hyphens, a letter or digit at both ends',
  )

export const namespaceName = z
  .string()
  .max(63)
  .regex(
    /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/,
    'lower-case letters, digits and hyphens, a letter or digit at both ends',
  )

/** A DNS subdomain: Secrets are not ours to name, so they may be as long as Kubernetes lets them. */
export const secretName = z
  .string()
  .max(253)
  .regex(
    /^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/,
    'lower-case letters, digits, hyphens and dots, a letter or digit at both ends',
  )

/** What callers write in `model`. `@` is reserved for revisions. */
export const modelName = z
  .string()
  .min(1)
  .max(128)
  .regex(
    /^[A-Za-z0-9]([A-Za-z0-9._:/_-]*[A-Za-z0-9])?$/,
    'letters, digits and . _ : / - with a letter or digit at both ends',
  )

const labels = z.record(z.string().max(317), z.string().max(63))

export const objectMeta = z.object({
  name: objectName,
  namespace: namespaceName.optional(),
  labels: labels.optional(),
  annotations: z.record(z.string().max(317), z.string()).optional(),
})

const maxSelectorLabels = 16

export const labelSelector = z
  .strictObject({
    matchLabels: z
      .record(z.string(), z.string().max(63))
      .refine(
        (map) => Object.keys(map).length <= maxSelectorLabels,
        `has too many labels; write at most ${maxSelectorLabels}`,
      )
      .optional()
      .meta({ description: 'All of these labels.', maxProperties: maxSelectorLabels }),
  })
  .meta({ description: 'Objects that carry all these labels.' })

export type LabelSelector = z.infer<typeof labelSelector>

/** Metadata as the resource source fills it in; what the API server would have set. */
export interface ObjectMeta {
  readonly name: string
  /** Empty for a cluster-scoped kind. */
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly uid: string
  /** Milliseconds since 1970; the older of two claimants wins. */
  readonly creationTimeMs: number
  /** Rises with every change of the spec. */
  readonly generation: number
}

export interface Resource<Kind extends string, Spec> {
  readonly kind: Kind
  readonly metadata: ObjectMeta
  readonly spec: Spec
}

/** `namespace/name`, or the name alone for a cluster-scoped object. */
export function keyOf(metadata: { readonly name: string; readonly namespace: string }): string {
  return metadata.namespace === '' ? metadata.name : `${metadata.namespace}/${metadata.name}`
}

export function matchesSelector(
  selector: LabelSelector | undefined,
  have: Readonly<Record<string, string>>,
): boolean {
  return Object.entries(selector?.matchLabels ?? {}).every(([name, value]) => have[name] === value)
}

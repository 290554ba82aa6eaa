import type { V1PodTemplateSpec, V1ResourceRequirements, V1Volume } from '@kubernetes/client-node'
import { z } from 'zod'

/** Types of Kubernetes' own that our objects embed. The API server checks them by its own schema; we pass them on. */
export type PodTemplate = V1PodTemplateSpec
export type ResourceRequirements = V1ResourceRequirements
export type VolumeSource = Omit<V1Volume, 'name'>

/** The key under which `.meta()` tells the CRD generator whose schema to put in. */
export const coreTypeKey = 'x-loraplex-core-type'

function coreObject<T extends object>(type: string, description: string) {
  return z
    .custom<T>(
      (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
      `must be a map: ${type} as Kubernetes has it`,
    )
    .meta({ description, [coreTypeKey]: type })
}

export const podTemplate = coreObject<PodTemplate>(
  'PodTemplateSpec',
  'What else the pods of a replica need: a PodTemplateSpec. Containers `vllm` and `agent` are merged with ours by name.',
)

export const resourceRequirements = coreObject<ResourceRequirements>(
  'ResourceRequirements',
  'What an engine needs, as a container has it: GPUs, MIG slices, memory, claims.',
)

export const volumeSource = coreObject<VolumeSource>(
  'VolumeSource',
  'The volume for base weights, one of those a pod can have. Default: emptyDir, filled when a pod starts.',
)
  .refine((source) => Object.keys(source).length === 1, 'must be exactly one kind of volume')
  .meta({ minProperties: 1, maxProperties: 1 })

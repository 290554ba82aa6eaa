import type { ResourceRequirements } from './core-types.ts'
import type { ModelPoolSpec } from './model-pool.ts'

/** Whole devices, by the names of the vendors' device plugins; an engine cannot spread over MIG slices. */
const wholeDevice = /^(nvidia\.com|amd\.com|gpu\.intel\.com|habana\.ai)\/(gpu|i915|xe|gaudi)$/

/** Whole GPUs that a container asks for. */
export function gpusOf(resources: ResourceRequirements | undefined): number {
  // Kubernetes wants requests and limits of devices to be equal, and takes either alone as limits.
  return Object.entries({ ...resources?.requests, ...resources?.limits })
    .filter(([name]) => wholeDevice.test(name))
    .reduce((sum, [, count]) => sum + (Number(count) || 0), 0)
}

/** `engine.parallelism.tensor`, or what the GPUs asked for leave for it. */
export function tensorParallelOf(spec: ModelPoolSpec): number {
  const { tensor, pipeline, data } = spec.engine.parallelism
  return tensor ?? Math.max(1, Math.floor(gpusOf(spec.resources) / (pipeline * data)))
}

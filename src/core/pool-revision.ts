import { createHash } from 'node:crypto'
import { keyOf } from '../api/metadata.ts'
import type { ModelPool } from '../api/model-pool.ts'
import { servedModelNameOf } from '../api/names.ts'

/**
 * Everything a change of which needs other engine pods. Not our image, not replicas, scaling, sources or who may attach;
 * a pool's limit on streams is part of it, because it is the pods' grace period.
 */
function engineConfiguration(pool: ModelPool): string {
  const { model, engine, lora, resources, podTemplate, maxStreamSeconds } = pool.spec
  const { maxLoras, maxCpuLoras, maxRank, dtype } = lora
  return canonical({
    model: {
      uri: model.uri,
      // Absent for what pools were before they had a choice: an upgrade is no reason to restart engines.
      task: model.task === 'Generate' ? undefined : model.task,
      inputs: model.inputs.includes('Image') ? [...model.inputs].sort() : undefined,
      maxModelLen: model.maxModelLen,
      quantization: model.quantization,
      cache: model.cache,
      secretRef: model.secretRef,
    },
    engine,
    lora: { maxLoras, maxCpuLoras, maxRank, dtype },
    resources,
    podTemplate,
    maxStreamSeconds,
  })
}

const configurationDigits = 10

/**
 * Ten hex digits, and those of the installation's secret: in labels and in the name of the revision's Secret. Another
 * object of the same name has others, so that what is left of an earlier pool, and goes with it, is never taken for this
 * one's. With another secret of the installation, pods need other tokens.
 */
export function poolRevisionOf(pool: ModelPool, secretFingerprint: string): string {
  const digits = createHash('sha256')
    .update(`pool\0${keyOf(pool.metadata)}\0${pool.metadata.uid}\0${engineConfiguration(pool)}`)
    .digest('hex')
    .slice(0, configurationDigits)
  return `${digits}${secretFingerprint}`
}

/** Of the installation that made the pods of this revision. */
export function secretFingerprintIn(poolRevision: string): string {
  return poolRevision.slice(configurationDigits)
}

/** The base's name inside the engines of this revision. */
export function servedModelNameOfPool(pool: ModelPool): string {
  return servedModelNameOf(keyOf(pool.metadata), pool.spec.model.uri, engineConfiguration(pool))
}

/** The same text whatever the order of fields. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) {
    return `[${value.map(canonical).join(',')}]`
  }
  if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value)
      .filter(([, field]) => field !== undefined)
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([name, field]) => `${JSON.stringify(name)}:${canonical(field)}`)
    return `{${fields.join(',')}}`
  }
  return JSON.stringify(value)
}

import { createHash } from 'node:crypto'

/** A revision is pool and digest: 32 hex digits, so that equal content on two pools stays apart. */
export function revisionOf(poolKey: string, digest: string): string {
  return createHash('sha256').update(`revision\0${poolKey}\0${digest}`).digest('hex').slice(0, 32)
}

/** I3: opaque, content-addressed, never a tenant's text; vLLM's modality names (`text`, `image`…) cannot be hit. */
export function engineNameOf(revision: string): string {
  return `lpx-${revision}`
}

/** The revision behind an engine name of ours; undefined for the base and for names that somebody else gave. */
export function revisionOfEngineName(name: string): string | undefined {
  return /^lpx-([0-9a-f]{32})$/.exec(name)?.[1]
}

/** `--served-model-name`: a hash too, so that a request that reaches a wrong engine fails by construction. */
export function servedModelNameOf(
  poolKey: string,
  modelUri: string,
  engineConfiguration: string,
): string {
  return `lpx-base-${createHash('sha256').update(`base\0${poolKey}\0${modelUri}\0${engineConfiguration}`).digest('hex').slice(0, 32)}`
}

/** What answers carry as `system_fingerprint`. */
export function fingerprintOf(revision: string, simulated: boolean): string {
  return `lpx_${revision.slice(0, 12)}${simulated ? '_simulated' : ''}`
}

import type { ModelPool } from '../api/model-pool.ts'
import { isMap, listKeys, mapsOf } from './merge-pod-template.ts'
import { canonical } from './pool-revision.ts'
import type { Json, JsonMap } from './workload-input.ts'

/**
 * Paths of what a pool's `podTemplate` says and its pods do not have, because it is ours to set. No values: they may be
 * secrets in the wrong place.
 *
 * @param planned what `planPodTemplate` made of it
 */
export function ignoredTemplateFields(pool: ModelPool, planned: JsonMap): readonly string[] {
  const own = pool.spec.podTemplate as JsonMap | undefined
  return own === undefined ? [] : inMap(own, withOneList(planned), 'spec.podTemplate')
}

/** An entry for a container of ours counts whichever of the two lists it is in. */
function withOneList(planned: JsonMap): JsonMap {
  const { spec } = planned
  if (!isMap(spec)) {
    return planned
  }
  const all = [...mapsOf(spec['initContainers']), ...mapsOf(spec['containers'])]
  return { ...planned, spec: { ...spec, initContainers: all, containers: all } }
}

function inMap(own: JsonMap, planned: JsonMap, path: string): readonly string[] {
  return Object.entries(own).flatMap(([name, value]) =>
    missing(name, value, planned[name], `${path}.${name}`),
  )
}

function missing(
  name: string,
  own: Json | undefined,
  planned: Json | undefined,
  path: string,
): readonly string[] {
  if (own === null || own === undefined) {
    return []
  }
  if (isMap(own) && isMap(planned)) {
    return inMap(own, planned, path)
  }
  if (Array.isArray(own) && Array.isArray(planned)) {
    return inList(name, own as readonly Json[], planned as readonly Json[], path)
  }
  return isEmpty(own) || canonical(own) === canonical(planned) ? [] : [path]
}

function inList(
  name: string,
  own: readonly Json[],
  planned: readonly Json[],
  path: string,
): readonly string[] {
  const key = listKeys[name]
  if (key === undefined) {
    const there = new Set(planned.map(canonical))
    return own.every((entry) => there.has(canonical(entry))) ? [] : [path]
  }
  return own.flatMap((entry) => {
    const id = isMap(entry) ? (entry[key] ?? '') : ''
    const found = planned.find((one) => isMap(one) && one[key] === id)
    return missing('', entry, found, `${path}[${canonical(id).replaceAll('"', '')}]`)
  })
}

function isEmpty(value: Json): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0
}

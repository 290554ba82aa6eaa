import type { Json, JsonMap } from './workload-input.ts'

/** Lists whose entries are told apart by a field, as the API server does it. Others are replaced, or added to. */
export const listKeys: Readonly<Record<string, string>> = {
  containers: 'name',
  initContainers: 'name',
  volumes: 'name',
  env: 'name',
  resourceClaims: 'name',
  imagePullSecrets: 'name',
  volumeMounts: 'mountPath',
  volumeDevices: 'devicePath',
  ports: 'containerPort',
  hostAliases: 'ip',
}

const addedLists: ReadonlySet<string> = new Set([
  'tolerations',
  'topologySpreadConstraints',
  'envFrom',
  'schedulingGates',
  'readinessGates',
])

/** A map laid over another: fields of `over` win, maps are merged, lists by their keys. */
export function mergeOver(base: JsonMap, over: JsonMap): JsonMap {
  const merged: Record<string, Json> = { ...base }
  for (const [name, value] of Object.entries(over)) {
    const before = base[name]
    // Null is how somebody says `no value here`; the API server drops it too.
    if (value !== undefined && value !== null) {
      merged[name] = before === undefined ? value : mergeField(name, before, value)
    }
  }
  return merged
}

function mergeField(name: string, before: Json, over: Json): Json {
  if (isMap(before) && isMap(over)) {
    return mergeOver(before, over)
  }
  if (!Array.isArray(before) || !Array.isArray(over)) {
    return over
  }
  const key = listKeys[name]
  if (key === undefined) {
    return addedLists.has(name) ? [...before, ...over] : over
  }
  const rest = [...(over as readonly Json[])]
  const merged = (before as readonly Json[]).map((entry) => {
    const index = rest.findIndex((other) => sameEntry(entry, other, key))
    const other = index === -1 ? undefined : rest.splice(index, 1)[0]
    return isMap(entry) && isMap(other) ? mergeEntry(name, entry, other) : entry
  })
  return [...merged, ...rest]
}

/** A volume has one source: another kind of it is another volume of the same name. */
function mergeEntry(list: string, entry: JsonMap, over: JsonMap): JsonMap {
  const sources = list === 'volumes' ? Object.keys(over).filter((field) => field !== 'name') : []
  const isOther = sources.length > 0 && !sources.some((source) => source in entry)
  return isOther ? over : mergeOver(entry, over)
}

function sameEntry(left: Json, right: Json, key: string): boolean {
  return isMap(left) && isMap(right) && left[key] === right[key]
}

export function isMap(value: unknown): value is JsonMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Entries of a list of maps; nothing where it is none. */
export function mapsOf(value: Json | undefined): readonly JsonMap[] {
  return Array.isArray(value) ? (value as readonly Json[]).filter(isMap) : []
}

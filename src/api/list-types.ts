/** `.meta()` of a list whose entries are told apart by a field: two appliers may each own some of them. */
export function listBy(key: string) {
  return { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': [key] }
}

/** `.meta()` of a list that one applier owns whole. */
export const wholeList = { 'x-kubernetes-list-type': 'atomic' }

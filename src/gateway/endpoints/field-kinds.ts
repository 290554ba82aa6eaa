import { generalFields, routeFields } from '../request/request-fields.generated.ts'
import { fieldKinds, type FieldKind, type FieldLists } from '../request/request-field-policy.ts'
import type { InferencePath } from './inference-endpoint.ts'

const byPath = new Map<InferencePath, ReadonlyMap<string, FieldKind>>()

/** What becomes of each field on this route; absent: nobody knows it there. */
export function fieldKindsOf(path: InferencePath): ReadonlyMap<string, FieldKind> {
  let kinds = byPath.get(path)
  if (kinds === undefined) {
    // A route's own rules go before those for all.
    kinds = new Map([...entriesOf(generalFields), ...entriesOf(routeFields[path])])
    byPath.set(path, kinds)
  }
  return kinds
}

function entriesOf(lists: FieldLists): readonly (readonly [string, FieldKind])[] {
  return fieldKinds.flatMap((kind) =>
    (lists[kind] ?? []).map((field): readonly [string, FieldKind] => [field, kind]),
  )
}

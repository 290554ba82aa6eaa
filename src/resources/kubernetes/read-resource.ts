import { isDeepStrictEqual } from 'node:util'
import { fieldProblemText } from '../../api/field-problem.ts'
import type { AnyResource, Kind } from '../../api/kinds.ts'
import { validateObject } from '../../api/validate.ts'
import type { ResourceProblem } from '../resource-source.ts'
import { keyOfObject } from './object-key.ts'
import type { WireResource } from './resource-types.ts'

/** What one object of the API server means to consumers. */
export interface ReadResource {
  /** The last good form; absent where there never was one. */
  readonly resource: AnyResource | undefined
  readonly problems: readonly ResourceProblem[]
}

/**
 * Validates an object as the folder's objects are. `before` is what the object's earlier state was read as: it stays
 * the same value where nothing but the status changed, and its resource stays in force where the new state is not good.
 */
export function readResource(
  kind: Kind,
  object: WireResource,
  before?: { readonly object: WireResource; readonly read: ReadResource },
): ReadResource {
  const isSameObject = before?.object.metadata.uid === object.metadata.uid
  if (before !== undefined && isSameObject && isSameMeaning(before.object, object)) {
    return before.read
  }
  const validation = validateObject(object, { oneMachine: false })
  const where = `${kind}/${keyOfObject(object)}`
  const problems = validation.problems.map((problem) => ({
    where,
    message: fieldProblemText(problem),
    severity: problem.severity,
  }))
  if (validation.resource === undefined) {
    // What stood under that name before was another object; it is nobody's last good form.
    return { resource: isSameObject ? before?.read.resource : undefined, problems }
  }
  const { uid = '', creationTimestamp, generation = 0 } = object.metadata
  const creationTimeMs = Date.parse(creationTimestamp ?? '') || 0
  const metadata = { ...validation.resource.metadata, uid, creationTimeMs, generation }
  return { resource: { ...validation.resource, metadata }, problems }
}

/** Everything of an object that consumers are given: a status and its resource version are not. */
function isSameMeaning(a: WireResource, b: WireResource): boolean {
  return (
    a.metadata.generation === b.metadata.generation &&
    isDeepStrictEqual(a.metadata.labels, b.metadata.labels) &&
    isDeepStrictEqual(a.metadata.annotations, b.metadata.annotations) &&
    // A new default in the CRD changes what is read without a new generation.
    isDeepStrictEqual(a.spec, b.spec)
  )
}

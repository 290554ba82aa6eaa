import { fieldProblemText } from '../../api/field-problem.ts'
import { kinds } from '../../api/kinds.ts'
import { keyOf } from '../../api/metadata.ts'
import { claimsOurGroup, isKind, isMap, validateObject } from '../../api/validate.ts'
import { validateCoreObject } from './core-objects.ts'
import type { DeclaredObject } from './declared-object.ts'
import type { LocatedObject, Position } from './yaml-documents.ts'

/** Something about one place in a file. */
export interface FileProblem {
  readonly position: Position
  readonly message: string
  readonly severity: 'Error' | 'Notice'
}

/** What one document of a file turned out to be. */
export type ReadObject = OwnObject | ForeignObject

export interface OwnObject {
  readonly outcome: 'Own'
  /** `Kind/namespace/name`; undefined where the document does not say so much. */
  readonly identity: string | undefined
  readonly position: Position
  /** Absent where a problem is an error. */
  readonly object?: DeclaredObject
  readonly problems: readonly FileProblem[]
}

/** Another kind: somebody else's, skipped. */
export interface ForeignObject {
  readonly outcome: 'Foreign'
  readonly kind: string
  readonly position: Position
}

/** `Kind/namespace/name`, or `Kind/name` for a cluster-scoped object. */
export function identityOf(object: DeclaredObject): string {
  return `${object.kind}/${keyOf(object.metadata)}`
}

export function readObject(located: LocatedObject): ReadObject {
  const { raw, locate } = located
  const position = locate([])
  const core = coreKindOf(raw)
  if (core === undefined && isForeign(raw)) {
    return { outcome: 'Foreign', kind: `${raw.apiVersion} ${raw.kind}`, position }
  }
  const { object, problems } = core === undefined ? readOurs(raw) : validateCoreObject(core, raw)
  return {
    outcome: 'Own',
    identity: object === undefined ? claimedIdentity(raw) : identityOf(object),
    position,
    ...(object === undefined ? {} : { object }),
    problems: problems.map((problem) => ({
      position: locate(problem.path),
      message: fieldProblemText(problem),
      severity: problem.severity,
    })),
  }
}

function readOurs(raw: unknown) {
  const { resource, problems } = validateObject(raw, { oneMachine: true })
  return { object: resource, problems }
}

function coreKindOf(raw: unknown): 'Secret' | 'Namespace' | undefined {
  if (!isMap(raw) || raw['apiVersion'] !== 'v1') {
    return undefined
  }
  const { kind } = raw
  return kind === 'Secret' || kind === 'Namespace' ? kind : undefined
}

function isForeign(raw: unknown): raw is { readonly apiVersion: string; readonly kind: string } {
  return (
    isMap(raw) &&
    typeof raw['apiVersion'] === 'string' &&
    typeof raw['kind'] === 'string' &&
    !claimsOurGroup(raw) &&
    !isKind(raw['kind'])
  )
}

/** Which object a faulty document is about, so that its last good form can stay. */
function claimedIdentity(raw: unknown): string | undefined {
  if (!isMap(raw) || !isMap(raw['metadata'])) {
    return undefined
  }
  const { kind } = raw
  const { name, namespace = 'default' } = raw['metadata']
  const known = isKind(kind) ? kind : coreKindOf(raw)
  if (known === undefined || !isName(name) || !isName(namespace)) {
    return undefined
  }
  const isNamespaced = isKind(known) ? kinds[known].namespaced : known === 'Secret'
  return `${known}/${keyOf({ name, namespace: isNamespaced ? namespace : '' })}`
}

function isName(text: unknown): text is string {
  return typeof text === 'string' && /^[a-z0-9][-.a-z0-9]{0,252}$/.test(text)
}

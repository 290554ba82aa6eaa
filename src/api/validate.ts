import type { z } from 'zod'
import { checkSpec } from './check-spec.ts'
import { fieldPathText, shortened, type FieldPath } from './field-path.ts'
import { fault, notice, type FieldProblem } from './field-problem.ts'
import { kinds, type AnyResource, type Kind } from './kinds.ts'
import { laterFields } from './later-fields.ts'
import { apiVersion, objectMeta, type Resource } from './metadata.ts'
import { nearestName } from './nearest-name.ts'
import { fieldNamesAt, wordsForIssue } from './schema-words.ts'
import { checkSurroundings } from './surroundings.ts'

/** Metadata as somebody wrote it, with defaults; the resource source adds what an API server would set. */
export interface DeclaredMeta {
  readonly name: string
  /** `default` where none is written; empty for a cluster-scoped kind. */
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

type DeclaredOf<R> =
  R extends Resource<infer K, infer S>
    ? { readonly kind: K; readonly metadata: DeclaredMeta; readonly spec: S }
    : never

/** A valid object of one of our kinds, defaults filled in. */
export type DeclaredResource = DeclaredOf<AnyResource>

export interface Validation {
  /** Absent when a problem is an error: an object is taken whole or not at all. */
  readonly resource?: DeclaredResource
  readonly problems: readonly FieldProblem[]
}

export interface ValidateOptions {
  /**
   * True: fields that only mean something in a cluster are dropped with a notice, and sources that only a cluster
   * reaches are refused. False: an engine needs an image.
   */
  readonly oneMachine: boolean
}

const maxProblems = 50

/** One object as parsed from YAML or JSON. Never throws: every fault is a problem that names its field. */
export function validateObject(raw: unknown, options: ValidateOptions): Validation {
  const problems: FieldProblem[] = []
  const kind = kindOf(raw, problems)
  if (kind === undefined || !isMap(raw)) {
    return { problems }
  }
  checkTopLevel(raw, problems)
  const metadata = readMetadata(kind, raw['metadata'], problems)
  const spec = readSpec(kind, raw['spec'], options, problems)
  const failed = problems.some((problem) => problem.severity === 'Error')
  if (failed || metadata === undefined || spec === undefined) {
    return { problems: problems.slice(0, maxProblems) }
  }
  // `spec` was parsed by the schema of `kind`.
  return { resource: { kind, metadata, spec } as DeclaredResource, problems }
}

export function isKind(text: unknown): text is Kind {
  return typeof text === 'string' && Object.hasOwn(kinds, text)
}

/** Whether the object says it is ours, rightly or not: another API group's objects are none of our business. */
export function claimsOurGroup(raw: unknown): boolean {
  const group = isMap(raw) ? raw['apiVersion'] : undefined
  return typeof group === 'string' && group.startsWith('loraplex.dev/')
}

export function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function kindOf(raw: unknown, problems: FieldProblem[]): Kind | undefined {
  if (!isMap(raw)) {
    problems.push(
      fault([], `is no object; write apiVersion: ${apiVersion}, kind, metadata and spec`),
    )
    return undefined
  }
  const { apiVersion: version, kind } = raw
  if (version !== apiVersion) {
    const written =
      typeof version === 'string' ? `is ${JSON.stringify(shortened(version))}` : 'is missing'
    problems.push(fault(['apiVersion'], `${written}; write ${apiVersion}`))
  }
  if (isKind(kind)) {
    return kind
  }
  const written = typeof kind === 'string' ? kind : ''
  const near = nearestName(written, Object.keys(kinds))
  problems.push(
    fault(
      ['kind'],
      written === ''
        ? `is missing; write one of ${Object.keys(kinds).join(', ')}`
        : `is ${JSON.stringify(shortened(written))}; ${near === undefined ? `write one of ${Object.keys(kinds).join(', ')}` : `did you mean ${near}?`}`,
    ),
  )
  return undefined
}

const topLevelFields = ['apiVersion', 'kind', 'metadata', 'spec', 'status']

function checkTopLevel(raw: Readonly<Record<string, unknown>>, problems: FieldProblem[]): void {
  for (const name of Object.keys(raw)) {
    if (!topLevelFields.includes(name)) {
      unknownField(problems, [name], topLevelFields)
    }
  }
}

/** What an API server sets; `kubectl get -o yaml` writes them, and nobody means anything by them. */
const serverMetadata = [
  'uid',
  'resourceVersion',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'generation',
  'generateName',
  'managedFields',
  'ownerReferences',
  'finalizers',
  'selfLink',
]

function readMetadata(
  kind: Kind,
  raw: unknown,
  problems: FieldProblem[],
): DeclaredMeta | undefined {
  if (!isMap(raw)) {
    problems.push(fault(['metadata'], 'is missing; write metadata with a name'))
    return undefined
  }
  const known = Object.keys(objectMeta.shape)
  for (const name of Object.keys(raw)) {
    if (!known.includes(name) && !serverMetadata.includes(name)) {
      unknownField(problems, ['metadata', name], known)
    }
  }
  // kubectl writes `labels: null` where there are none.
  const present = Object.fromEntries(Object.entries(raw).filter(([, value]) => value !== null))
  const parsed = objectMeta.safeParse(present)
  if (!parsed.success) {
    addIssues(problems, parsed.error, present, ['metadata'], objectMeta)
    return undefined
  }
  const { name, namespace, labels = {}, annotations = {} } = parsed.data
  if (!kinds[kind].namespaced) {
    if (namespace !== undefined) {
      problems.push(
        notice(['metadata', 'namespace'], `is ignored: a ${kind} belongs to no namespace`),
      )
    }
    return { name, namespace: '', labels, annotations }
  }
  return { name, namespace: namespace ?? 'default', labels, annotations }
}

function readSpec(
  kind: Kind,
  raw: unknown,
  options: ValidateOptions,
  problems: FieldProblem[],
): unknown {
  if (!isMap(raw)) {
    problems.push(
      fault(['spec'], raw === undefined || raw === null ? 'is missing' : 'must be a map of fields'),
    )
    return undefined
  }
  const known = options.oneMachine ? withoutClusterFields(kind, raw, problems) : raw
  const misplaced = checkSurroundings(kind, known, options.oneMachine)
  problems.push(...misplaced)
  const schema: z.ZodType = kinds[kind].spec
  const parsed = schema.safeParse(known)
  if (!parsed.success) {
    const found: FieldProblem[] = []
    addIssues(found, parsed.error, known, ['spec'], schema, kind)
    const said = new Set(misplaced.map(({ path }) => fieldPathText(path)))
    problems.push(...found.filter(({ path }) => !said.has(fieldPathText(path))))
    return undefined
  }
  problems.push(...checkSpec(kind, parsed.data))
  return parsed.data
}

function withoutClusterFields(
  kind: Kind,
  raw: Readonly<Record<string, unknown>>,
  problems: FieldProblem[],
): Readonly<Record<string, unknown>> {
  return kinds[kind].fieldsOfTheCluster.reduce<Readonly<Record<string, unknown>>>(
    (spec, dotted) => {
      const path = dotted.split('.')
      const { rest, found } = without(spec, path)
      if (found) {
        problems.push(notice(['spec', ...path], 'means nothing on one machine and is ignored here'))
      }
      return rest
    },
    raw,
  )
}

function without(
  map: Readonly<Record<string, unknown>>,
  path: readonly string[],
): { readonly rest: Readonly<Record<string, unknown>>; readonly found: boolean } {
  const [name = '', ...deeper] = path
  const value = Object.hasOwn(map, name) ? map[name] : undefined
  if (value === undefined) {
    return { rest: map, found: false }
  }
  if (deeper.length === 0) {
    return {
      rest: Object.fromEntries(Object.entries(map).filter(([key]) => key !== name)),
      found: true,
    }
  }
  if (!isMap(value)) {
    return { rest: map, found: false }
  }
  const inner = without(value, deeper)
  return { rest: { ...map, [name]: inner.rest }, found: inner.found }
}

function addIssues(
  problems: FieldProblem[],
  failure: z.ZodError,
  value: unknown,
  prefix: FieldPath,
  schema: z.ZodType,
  kind?: Kind,
): void {
  for (const issue of failure.issues.slice(0, maxProblems)) {
    const inner = issue.path.map((step) => (typeof step === 'number' ? step : String(step)))
    const path = [...prefix, ...inner]
    if (issue.code === 'unrecognized_keys') {
      for (const name of issue.keys.slice(0, maxProblems)) {
        unknownField(problems, [...path, name], fieldNamesAt(schema, inner), kind)
      }
    } else {
      problems.push(fault(path, wordsForIssue(issue, valueAt(value, inner))))
    }
  }
}

function unknownField(
  problems: FieldProblem[],
  path: FieldPath,
  known: readonly string[],
  kind?: Kind,
): void {
  const dotted = path
    .slice(1)
    .filter((step) => typeof step === 'string')
    .join('.')
  if (kind !== undefined && laterFields[kind].includes(dotted)) {
    problems.push(
      fault(
        path,
        'is not supported by this version, so the object is refused: nothing is served without what you wrote. Take the field out to be served without it',
      ),
    )
    return
  }
  const near = nearestName(String(path.at(-1)), known)
  const hint =
    near === undefined ? `known here: ${known.join(', ') || 'none'}` : `did you mean \`${near}\`?`
  problems.push(fault(path, `is no field; ${hint}`))
}

function valueAt(value: unknown, path: FieldPath): unknown {
  return path.reduce<unknown>(
    (inner, step) =>
      typeof inner === 'object' && inner !== null && Object.hasOwn(inner, step)
        ? (inner as Readonly<Record<string | number, unknown>>)[step]
        : undefined,
    value,
  )
}

import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseAllDocuments,
  type Document,
} from 'yaml'
import type { FieldPath } from '../../api/field-path.ts'
import { apiVersion } from '../../api/metadata.ts'
import { isMap as isPlainMap } from '../../api/validate.ts'
import { yamlErrorWords } from './yaml-error-words.ts'

/** Counted from 1, as editors do. */
export interface Position {
  readonly line: number
  readonly column: number
}

/** One object of a file, still unchecked. */
export interface LocatedObject {
  readonly raw: unknown
  /** Where a field is written; for a missing one, where its parent is. */
  readonly locate: (path: FieldPath) => Position
}

export type YamlReading =
  | { readonly outcome: 'Read'; readonly objects: readonly LocatedObject[] }
  | { readonly outcome: 'Broken'; readonly position: Position; readonly message: string }

/** An alias may repeat so much, and lists may nest so deep, before a file is taken for an attack. */
const maxAliasCount = 100
const maxListDepth = 4

/**
 * The objects of a YAML text: several documents, `v1 List` unfolded. A fault anywhere makes the whole text broken, as
 * nobody can tell which documents it swallowed. Faults carry no text of the file (I14).
 */
export function readYaml(text: string): YamlReading {
  const lines = new LineCounter()
  try {
    // The schema is named so that a %YAML 1.1 directive cannot bring in dates, sets, binaries and merges.
    const documents = parseAllDocuments(text, {
      lineCounter: lines,
      prettyErrors: false,
      schema: 'core',
      stringKeys: true,
      logLevel: 'silent',
    })
    const objects: LocatedObject[] = []
    for (const document of Array.isArray(documents) ? documents : []) {
      const fault = document.errors[0] ?? document.warnings[0]
      if (fault !== undefined) {
        return {
          outcome: 'Broken',
          position: positionOf(lines, fault.pos[0]),
          message: yamlErrorWords(fault.code),
        }
      }
      const raw: unknown = document.toJS({ maxAliasCount })
      if (raw !== null) {
        objects.push(...unfold(raw, (path) => locate(document, lines, path), 0))
      }
    }
    return { outcome: 'Read', objects }
  } catch (error) {
    return { outcome: 'Broken', position: { line: 1, column: 1 }, message: bombWords(error) }
  }
}

function bombWords(error: unknown): string {
  if (error instanceof RangeError) {
    return 'is nested too deeply to be read; nothing here needs more than a dozen levels'
  }
  return error instanceof ReferenceError
    ? `repeats an anchor with aliases more than ${maxAliasCount} times; write the values out`
    : 'cannot be read as YAML'
}

/** `kubectl get -o yaml` writes a `v1 List`, the API server `<Kind>List`. */
function unfold(
  raw: unknown,
  locateIn: LocatedObject['locate'],
  depth: number,
): readonly LocatedObject[] {
  if (!isPlainMap(raw) || !isList(raw) || depth >= maxListDepth) {
    return [{ raw, locate: locateIn }]
  }
  const { items } = raw
  return Array.isArray(items)
    ? items.flatMap((item: unknown, index) =>
        unfold(item, (path) => locateIn(['items', index, ...path]), depth + 1),
      )
    : [{ raw, locate: locateIn }]
}

function isList(raw: Readonly<Record<string, unknown>>): boolean {
  const { apiVersion: version, kind } = raw
  return (
    typeof kind === 'string' &&
    ((version === 'v1' && kind === 'List') || (version === apiVersion && kind.endsWith('List')))
  )
}

function locate(document: Document, lines: LineCounter, path: FieldPath): Position {
  let node: unknown = document.contents
  let offset = offsetOf(node) ?? 0
  for (const step of path) {
    const target: unknown = isAlias(node) ? node.resolve(document) : node
    let next: unknown
    if (isMap(target)) {
      const pair = target.items.find(({ key }) => isScalar(key) && key.value === step)
      offset = offsetOf(pair?.key) ?? offset
      next = pair?.value
    } else if (isSeq(target) && typeof step === 'number') {
      next = target.items[step]
      offset = offsetOf(next) ?? offset
    }
    if (next === undefined || next === null) {
      break
    }
    node = next
  }
  return positionOf(lines, offset)
}

function offsetOf(node: unknown): number | undefined {
  return isMap(node) || isSeq(node) || isScalar(node) || isAlias(node) ? node.range?.[0] : undefined
}

function positionOf(lines: LineCounter, offset: number): Position {
  const { line, col } = lines.linePos(offset)
  return { line: Math.max(1, line), column: Math.max(1, col) }
}

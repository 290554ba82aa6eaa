import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseAllDocuments,
  visit,
  type Document,
  type YAMLError,
  type YAMLMap,
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
/** Open at once, those in texts and comments included. */
const maxBrackets = 500

/**
 * The objects of a YAML text: several documents, `v1 List` unfolded. A fault anywhere makes the whole text broken, as
 * nobody can tell which documents it swallowed. Faults carry no text of the file (I14).
 */
export function readYaml(text: string): YamlReading {
  if (isNestedTooDeeply(text)) {
    return { outcome: 'Broken', position: { line: 1, column: 1 }, message: tooDeep }
  }
  const lines = new LineCounter()
  try {
    // The schema is named so that a %YAML 1.1 directive cannot bring in dates, sets, binaries and merges.
    const documents = parseAllDocuments(text, {
      lineCounter: lines,
      prettyErrors: false,
      schema: 'core',
      stringKeys: true,
      uniqueKeys: false,
      logLevel: 'silent',
    })
    const objects: LocatedObject[] = []
    for (const document of Array.isArray(documents) ? documents : []) {
      const fault = firstFault(document)
      if (fault !== undefined) {
        return {
          outcome: 'Broken',
          position: positionOf(lines, fault.offset),
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

interface Fault {
  readonly code: YAMLError['code']
  readonly offset: number
}

function firstFault(document: Document): Fault | undefined {
  const error = document.errors[0] ?? document.warnings[0]
  return error === undefined ? faultInside(document) : { code: error.code, offset: error.pos[0] }
}

/**
 * Repeated fields, which the parser looks for in quadratic time, and aliases without an anchor, which it finds only
 * when the values are made, and then without their place.
 */
function faultInside(document: Document): Fault | undefined {
  let fault: Fault | undefined
  let aliases = 0
  visit(document, {
    Alias: (_key, alias) => {
      aliases += 1
      if (aliases > maxAliasCount) {
        // Each resolution walks the document.
        throw new ReferenceError('too many aliases')
      }
      if (alias.resolve(document) === undefined) {
        fault = { code: 'BAD_ALIAS', offset: alias.range?.[0] ?? 0 }
      }
      return fault === undefined ? undefined : visit.BREAK
    },
    Map: (_key, map) => {
      const repeated = repeatedKey(map)
      if (repeated !== undefined) {
        fault = { code: 'DUPLICATE_KEY', offset: offsetOf(repeated) ?? 0 }
      }
      return fault === undefined ? undefined : visit.BREAK
    },
  })
  return fault
}

function repeatedKey(map: YAMLMap): unknown {
  const seen = new Set<unknown>()
  for (const { key } of map.items) {
    const name: unknown = isScalar(key) ? key.value : key
    if (seen.has(name)) {
      return key
    }
    seen.add(name)
  }
  return undefined
}

/** The parser takes minutes for what nests without end, so that is found before it begins. */
function isNestedTooDeeply(text: string): boolean {
  if (/(?:[-?:][ \t]+){100}/.test(text)) {
    return true
  }
  let depth = 0
  for (const [bracket] of text.matchAll(/[[\]{}]/g)) {
    depth += bracket === '[' || bracket === '{' ? 1 : -1
    if (depth > maxBrackets) {
      return true
    }
    depth = Math.max(0, depth)
  }
  return false
}

const tooDeep = 'is nested too deeply to be read; nothing here needs more than a dozen levels'

function bombWords(error: unknown): string {
  if (error instanceof RangeError) {
    return tooDeep
  }
  return error instanceof ReferenceError
    ? `uses aliases more than ${maxAliasCount} times; write the values out`
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

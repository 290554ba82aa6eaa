import { setImmediate } from 'node:timers/promises'
import { readObject, type FileProblem, type ReadObject } from './read-object.ts'
import { splitDocuments } from './split-documents.ts'
import { readYaml, type Position } from './yaml-documents.ts'

/** What a text turned out to be. */
export type TextReading =
  | { readonly outcome: 'Read'; readonly objects: readonly ReadObject[] }
  | { readonly outcome: 'Broken'; readonly problem: FileProblem }

/** Readings by the text of one document, lines counted from its beginning. */
export type DocumentCache = ReadonlyMap<string, TextReading>

export interface ReadTextOutcome {
  readonly reading: TextReading
  /** For the next reading of this file: only documents that changed are parsed again. */
  readonly cache: DocumentCache
}

/** Parsing takes about 2 ms for each 10 kB; requests that are being served must get a turn in between. */
const turnMs = 8

/** Every object of a YAML text, with the places of its faults. One broken document makes the whole text broken. */
export async function readText(
  text: string,
  before: DocumentCache = new Map(),
): Promise<ReadTextOutcome> {
  const cache = new Map<string, TextReading>()
  const objects: ReadObject[] = []
  let broken: FileProblem | undefined
  let turnEndsMs = performance.now() + turnMs
  for (const chunk of splitDocuments(text)) {
    if (performance.now() > turnEndsMs) {
      await setImmediate()
      turnEndsMs = performance.now() + turnMs
    }
    const reading = cache.get(chunk.text) ?? before.get(chunk.text) ?? readChunk(chunk.text)
    cache.set(chunk.text, reading)
    if (reading.outcome === 'Broken') {
      broken ??= movedProblem(reading.problem, chunk.firstLine)
    } else {
      objects.push(...reading.objects.map((object) => movedObject(object, chunk.firstLine)))
    }
  }
  return {
    reading:
      broken === undefined ? { outcome: 'Read', objects } : { outcome: 'Broken', problem: broken },
    cache,
  }
}

/** Parsing one document cannot give way to anything else: this much takes about a third of a second. */
const maxDocumentChars = 256 * 1024

function readChunk(text: string): TextReading {
  if (text.length > maxDocumentChars) {
    const message = 'is one document of more than 256 KiB; split it with lines ---'
    return {
      outcome: 'Broken',
      problem: { position: { line: 1, column: 1 }, message, severity: 'Error' },
    }
  }
  const yaml = readYaml(text)
  return yaml.outcome === 'Read'
    ? { outcome: 'Read', objects: yaml.objects.map(readObject) }
    : {
        outcome: 'Broken',
        problem: { position: yaml.position, message: yaml.message, severity: 'Error' },
      }
}

function movedObject(object: ReadObject, lines: number): ReadObject {
  if (lines === 0) {
    return object
  }
  const position = moved(object.position, lines)
  return object.outcome === 'Foreign'
    ? { ...object, position }
    : {
        ...object,
        position,
        problems: object.problems.map((problem) => movedProblem(problem, lines)),
      }
}

function movedProblem(problem: FileProblem, lines: number): FileProblem {
  return { ...problem, position: moved(problem.position, lines) }
}

function moved({ line, column }: Position, lines: number): Position {
  return { line: line + lines, column }
}

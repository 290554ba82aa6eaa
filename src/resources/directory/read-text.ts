import { setImmediate } from 'node:timers/promises'
import { readApart } from './read-apart.ts'
import { readDocument, type TextReading } from './read-document.ts'
import type { FileProblem, ReadObject } from './read-object.ts'
import { splitDocuments } from './split-documents.ts'
import type { Position } from './yaml-documents.ts'

/** Readings by the text of one document, lines counted from its beginning. */
export type DocumentCache = ReadonlyMap<string, TextReading>

export interface ReadTextOutcome {
  readonly reading: TextReading
  /** For the next reading of this file: only documents that changed are parsed again. */
  readonly cache: DocumentCache
}

/** Requests that this process serves must get a turn in between. */
const turnMs = 8
/** A larger document is read in a thread of its own. */
const maxHereChars = 32 * 1024

/** Every object of a YAML text, with the places of its faults. One broken document makes the whole text broken. */
export async function readText(
  text: string,
  before: DocumentCache = new Map(),
  signal?: AbortSignal,
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
    const reading =
      cache.get(chunk.text) ??
      before.get(chunk.text) ??
      (chunk.text.length > maxHereChars
        ? await readApart(chunk.text, signal)
        : readDocument(chunk.text))
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

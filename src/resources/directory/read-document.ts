import { readObject, type FileProblem, type ReadObject } from './read-object.ts'
import { readYaml } from './yaml-documents.ts'

/** What a text turned out to be. */
export type TextReading =
  | { readonly outcome: 'Read'; readonly objects: readonly ReadObject[] }
  | { readonly outcome: 'Broken'; readonly problem: FileProblem }

/** Reads one document (or a text that cannot be split) at a stretch: about 20 ms for each 10 kB, hostile text longer. */
export function readDocument(text: string): TextReading {
  const yaml = readYaml(text)
  return yaml.outcome === 'Read'
    ? { outcome: 'Read', objects: yaml.objects.map(readObject) }
    : brokenText(yaml.message, yaml.position)
}

export function brokenText(
  message: string,
  position: FileProblem['position'] = { line: 1, column: 1 },
): TextReading {
  return { outcome: 'Broken', problem: { position, message, severity: 'Error' } }
}

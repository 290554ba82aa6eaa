import type { FileProblem, OwnObject, ReadObject } from './read-object.ts'

/** What one look at the folder found. Paths are relative to it, with `/`. */
export interface FolderScan {
  readonly files: ReadonlyMap<string, FileReading>
  /** Folders that could not be listed, with the reason; `''` is the whole. What lies below is unknown, not gone. */
  readonly unreadable: ReadonlyMap<string, string>
}

export type FileReading =
  | {
      readonly outcome: 'Read'
      readonly mtimeMs: number
      readonly objects: readonly ReadObject[]
    }
  /** Syntax, size or permission: what it held stays. */
  | {
      readonly outcome: 'Broken'
      readonly problem: FileProblem
      /** Empty where not even that is known. */
      readonly text: string
    }
  /** Being written, and never read before. */
  | { readonly outcome: 'Pending' }

/** A document that wants to be an object. */
export interface Candidate {
  readonly file: string
  readonly mtimeMs: number
  readonly document: OwnObject
}

/** Documents by identity, the oldest file first; of several in one file the first, the others as `repeated`. */
export function candidatesOf(scan: FolderScan): {
  readonly byIdentity: ReadonlyMap<string, readonly Candidate[]>
  readonly repeated: readonly Candidate[]
} {
  const byIdentity = new Map<string, Candidate[]>()
  const repeated: Candidate[] = []
  for (const [file, reading] of scan.files) {
    for (const document of reading.outcome === 'Read' ? reading.objects : []) {
      if (
        reading.outcome !== 'Read' ||
        document.outcome !== 'Own' ||
        document.identity === undefined
      ) {
        continue
      }
      const candidate = { file, mtimeMs: reading.mtimeMs, document }
      const others = byIdentity.get(document.identity)
      if (others === undefined) {
        byIdentity.set(document.identity, [candidate])
      } else if (others.at(-1)?.file === file) {
        repeated.push(candidate)
      } else {
        others.push(candidate)
      }
    }
  }
  for (const candidates of byIdentity.values()) {
    candidates.sort((a, b) => a.mtimeMs - b.mtimeMs || (a.file < b.file ? -1 : 1))
  }
  return { byIdentity, repeated }
}

/** Whether `file`'s documents are known: only then is one that is not there gone. */
export function isFileKnown(scan: FolderScan, file: string): boolean {
  const reading = scan.files.get(file)
  if (reading === undefined) {
    return !isBelowUnreadable(scan, file)
  }
  // A document that does not say what it is may be the very one that is missed.
  return (
    reading.outcome === 'Read' &&
    reading.objects.every(
      (document) => document.outcome === 'Foreign' || document.identity !== undefined,
    )
  )
}

function isBelowUnreadable(scan: FolderScan, file: string): boolean {
  for (const folder of scan.unreadable.keys()) {
    if (folder === '' || file.startsWith(`${folder}/`)) {
      return true
    }
  }
  return false
}

/**
 * Whether an object's document may have moved to where it cannot be read yet: a file that is being written, or a broken
 * one that mentions its name.
 */
export function mayBeElsewhere(scan: FolderScan, name: string): boolean {
  const word = new RegExp(`(?<![a-z0-9.-])${name.replaceAll('.', '\\.')}(?![a-z0-9-])`)
  for (const reading of scan.files.values()) {
    if (
      reading.outcome === 'Pending' ||
      (reading.outcome === 'Broken' && word.test(reading.text))
    ) {
      return true
    }
  }
  return false
}

import type { ResourceProblem } from '../resource-source.ts'
import type { FolderScan } from './folder-scan.ts'
import type { HeldState } from './held-object.ts'
import type { FileProblem, OwnObject } from './read-object.ts'
import type { Position } from './yaml-documents.ts'

const maxProblems = 1000

/** Problems of one scan, each said once and in the order of the files. */
export class ProblemList {
  readonly #whole: ResourceProblem[] = []
  readonly #placed: (FileProblem & { readonly file: string })[] = []

  add(file: string, position: Position, message: string): void {
    this.#push(file, { position, message, severity: 'Error' })
  }

  /** About the folder as a whole. */
  addWhole(message: string): void {
    this.#whole.push({ where: '.', message, severity: 'Error' })
  }

  /** What is wrong inside one document; `consequence` says what that means for the object. */
  addDocument(file: string, document: OwnObject, consequence: string): void {
    for (const problem of document.problems) {
      const message = `${document.identity ?? 'an object'}: ${problem.message}`
      this.#push(file, {
        ...problem,
        message: problem.severity === 'Error' ? `${message} (${consequence})` : message,
      })
    }
  }

  /** Everything that a scan says without looking at what is held: broken files, nameless documents, other kinds. */
  addScan(scan: FolderScan, held: HeldState): void {
    for (const [folder, reason] of scan.unreadable) {
      this.addWhole(
        `${folder === '' ? 'the folder' : `folder ${folder}`} ${reason}; what it held stays in force`,
      )
    }
    const foreign = new Map<string, ForeignKind>()
    const heldByFile = countByFile(held)
    for (const [file, reading] of scan.files) {
      if (reading.outcome === 'Broken') {
        this.#push(file, withHeld(reading.problem, heldByFile.get(file) ?? 0))
      }
      for (const document of reading.outcome === 'Read' ? reading.objects : []) {
        if (document.outcome === 'Foreign') {
          const { position } = document
          const seen = foreign.get(document.kind) ?? { file, position, count: 0 }
          seen.count += 1
          foreign.set(document.kind, seen)
        } else if (document.identity === undefined) {
          this.addDocument(file, document, 'it is not taken')
        }
      }
    }
    for (const [kind, { file, position, count }] of foreign) {
      const message = `${kind} is none of our kinds: skipped (${count} here)`
      this.#push(file, { position, message, severity: 'Notice' })
    }
  }

  all(): readonly ResourceProblem[] {
    const placed = this.#placed.sort(byPlace).map(({ file, position, message, severity }) => ({
      where: `${file}:${position.line}:${position.column}`,
      message,
      severity,
    }))
    const problems = [...this.#whole, ...placed]
    const rest = problems.length - maxProblems
    return rest <= 0
      ? problems
      : [
          ...problems.slice(0, maxProblems),
          { where: '.', message: `and ${rest} more problems`, severity: 'Error' },
        ]
  }

  #push(file: string, problem: FileProblem): void {
    this.#placed.push({ ...problem, file })
  }
}

interface ForeignKind {
  readonly file: string
  readonly position: Position
  count: number
}

interface Placed {
  readonly file: string
  readonly position: Position
}

function byPlace(a: Placed, b: Placed): number {
  return (
    (a.file === b.file ? 0 : a.file < b.file ? -1 : 1) ||
    a.position.line - b.position.line ||
    a.position.column - b.position.column
  )
}

function withHeld(problem: FileProblem, count: number): FileProblem {
  const consequence =
    count === 0
      ? 'nothing of it is taken'
      : `the ${count} object${count === 1 ? '' : 's'} it held stay${count === 1 ? 's' : ''} in force`
  return { ...problem, message: `${problem.message} (${consequence})` }
}

function countByFile(held: HeldState): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const { file } of held.objects.values()) {
    counts.set(file, (counts.get(file) ?? 0) + 1)
  }
  return counts
}

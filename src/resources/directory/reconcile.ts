import { dirname, join } from 'node:path'
import { keyOf } from '../../api/metadata.ts'
import type { ResourceProblem } from '../resource-source.ts'
import { canonicalJson } from './canonical-json.ts'
import type { DeclaredObject } from './declared-object.ts'
import {
  candidatesOf,
  isFileKnown,
  mayBeElsewhere,
  type Candidate,
  type FolderScan,
} from './folder-scan.ts'
import { holdObject, type HeldObject, type HeldState } from './held-object.ts'
import { immutableFieldProblem } from './immutable-fields.ts'
import { ProblemList } from './problem-list.ts'

export interface ReconcileContext {
  /** Absolute. */
  readonly folder: string
  readonly nowMs: number
  readonly newUid: () => string
}

export interface Reconciled {
  readonly state: HeldState
  readonly problems: readonly ResourceProblem[]
  /** Something was missed for the first time: look again to be sure. */
  readonly isLookPending: boolean
}

/** Scans in a row that must miss a document before its object goes or is taken from another file. */
const scansUntilSure = 2
const maxObjects = 50_000

/**
 * One scan laid over what is held: an object follows its document while that is right, stays as it was while it is
 * not, and goes once the document is gone from two scans.
 */
export function reconcile(
  before: HeldState,
  scan: FolderScan,
  context: ReconcileContext,
): Reconciled {
  const { byIdentity, repeated } = candidatesOf(scan)
  const problems = new ProblemList()
  problems.addScan(scan, before)
  for (const { file, document } of repeated) {
    problems.add(
      file,
      document.position,
      `${document.identity} is in this file twice; the first one counts`,
    )
  }
  const objects = new Map<string, HeldObject>()
  const revokedKeys = new Set(before.revokedKeys)
  const step: Step = { scan, context, problems, revokedKeys }
  for (const held of before.objects.values()) {
    const next = follow(held, byIdentity.get(held.identity) ?? [], step)
    if (next !== undefined) {
      objects.set(held.identity, next)
    }
  }
  for (const [identity, candidates] of byIdentity) {
    if (before.objects.has(identity)) {
      continue
    }
    if (objects.size >= maxObjects) {
      problems.addWhole(`holds more than ${maxObjects} objects; the rest is not taken`)
      break
    }
    const next = begin(identity, candidates, step)
    if (next !== undefined) {
      objects.set(identity, next)
    }
  }
  return {
    state: { objects, revokedKeys },
    problems: problems.all(),
    isLookPending: [...objects.values()].some((held) => held.scansAway > 0),
  }
}

interface Step {
  readonly scan: FolderScan
  readonly context: ReconcileContext
  readonly problems: ProblemList
  readonly revokedKeys: Set<string>
}

/** An object that is held already. */
function follow(
  held: HeldObject,
  candidates: readonly Candidate[],
  step: Step,
): HeldObject | undefined {
  const own = candidates.find(({ file }) => file === held.file)
  if (own !== undefined || !isFileKnown(step.scan, held.file)) {
    reportOthers(held.file, candidates, step)
    return own === undefined ? found(held) : take(held, own, step)
  }
  const scansAway = held.scansAway + 1
  if (candidates.length === 0) {
    if (mayBeElsewhere(step.scan, held.declared.metadata.name)) {
      return found(held)
    }
    const scansGone = held.scansGone + 1
    return scansGone < scansUntilSure ? { ...held, scansAway, scansGone } : undefined
  }
  // Another file has it. With the same content that is a move, which needs no second look.
  const moved = candidates.find(({ document }) => isSame(document.object, held.declared))
  if (moved === undefined && scansAway < scansUntilSure) {
    return { ...held, scansAway, scansGone: 0 }
  }
  const heir = moved ?? bestOf(candidates)
  reportOthers(heir?.file ?? '', candidates, step)
  return heir === undefined ? held : take(held, heir, step)
}

function bestOf(candidates: readonly Candidate[]): Candidate | undefined {
  return candidates.find(({ document }) => document.object !== undefined) ?? candidates[0]
}

function found(held: HeldObject): HeldObject {
  return held.scansAway === 0 && held.scansGone === 0
    ? held
    : { ...held, scansAway: 0, scansGone: 0 }
}

/** An object seen for the first time: the oldest file that has it right. */
function begin(
  identity: string,
  candidates: readonly Candidate[],
  step: Step,
): HeldObject | undefined {
  const chosen = bestOf(candidates)
  if (chosen === undefined) {
    return undefined
  }
  reportOthers(chosen.file, candidates, step)
  const { object } = chosen.document
  step.problems.addDocument(chosen.file, chosen.document, 'it is not taken')
  return object === undefined
    ? undefined
    : holdObject({
        identity,
        declared: withRevocation(object, chosen, step),
        file: chosen.file,
        uid: step.context.newUid(),
        creationTimeMs: step.context.nowMs,
        generation: 1,
        scansAway: 0,
        scansGone: 0,
      })
}

/** The held object brought up to its document, as far as that is allowed. */
function take(held: HeldObject, candidate: Candidate, step: Step): HeldObject {
  const { file, document } = candidate
  step.problems.addDocument(file, document, 'its last good form stays in force')
  const kept = held.file === file ? found(held) : found({ ...held, file })
  if (document.object === undefined) {
    return kept
  }
  const immutable = immutableFieldProblem(held, document.object, {
    before: folderOf(step.context, held.file),
    after: folderOf(step.context, file),
  })
  if (immutable !== undefined) {
    step.problems.add(file, document.position, `${held.identity}: ${immutable}`)
    // Its relative paths were meant from where it was.
    return found(held)
  }
  const declared = withRevocation(document.object, candidate, step)
  const isMoved = dirname(held.file) !== dirname(file) && hasRelativeUri(declared)
  if (isSame(declared, held.declared) && !isMoved) {
    return kept
  }
  const isSpecChanged = isMoved || specText(declared) !== specText(held.declared)
  return holdObject({ ...kept, declared, generation: held.generation + (isSpecChanged ? 1 : 0) })
}

/** A key that was revoked once stays revoked, whatever its file says. */
function withRevocation(object: DeclaredObject, candidate: Candidate, step: Step): DeclaredObject {
  if (object.kind !== 'TenantKey') {
    return object
  }
  const mark = `${keyOf(object.metadata)} ${object.spec.sha256}`
  if (object.spec.revoked) {
    step.revokedKeys.add(mark)
    return object
  }
  if (!step.revokedKeys.has(mark)) {
    return object
  }
  step.problems.add(
    candidate.file,
    candidate.document.position,
    `${candidate.document.identity}: was revoked and stays so, though \`spec.revoked\` is not true here; write revoked: true, and create another key for its user`,
  )
  return { ...object, spec: { ...object.spec, revoked: true } }
}

function reportOthers(chosen: string, candidates: readonly Candidate[], step: Step): void {
  for (const { file, document } of candidates) {
    if (file !== chosen) {
      step.problems.add(
        file,
        document.position,
        `${document.identity} is also in ${chosen}, which had it first and counts; take it out of one of them`,
      )
    }
  }
}

function folderOf(context: ReconcileContext, file: string): string {
  return join(context.folder, dirname(file))
}

function isSame(a: DeclaredObject | undefined, b: DeclaredObject): boolean {
  return a !== undefined && (a === b || wholeText(a) === wholeText(b))
}

const wholeTexts = new WeakMap<DeclaredObject, string>()

function wholeText(object: DeclaredObject): string {
  const known = wholeTexts.get(object) ?? canonicalJson(object)
  wholeTexts.set(object, known)
  return known
}

/** `file:./x` starts from the folder of the YAML file, so moving that changes what it means. */
function hasRelativeUri(object: DeclaredObject): boolean {
  return /"file:(?!\/)/.test(specText(object))
}

function specText(object: DeclaredObject): string {
  const { metadata: _, ...rest } = object
  return canonicalJson(rest)
}

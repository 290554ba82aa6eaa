import { BugError } from '../errors.ts'
import type { Hold, Line, Renewal } from './types.ts'

export const maxLines = 64
export const maxKeyLength = 512
const maxNoteLength = 2_000
const maxExpiryMs = 86_400_000

/** What no store has to expect. @throws BugError */
export function checkHold(hold: Hold): void {
  if (hold.id === '' || hold.id.length > maxKeyLength) {
    throw new BugError("A hold's id has 1 to 512 characters.")
  }
  checkExpiry(hold.expiresInMs)
  checkNote(hold.note)
  const { lines } = hold
  if (lines.length > maxLines) {
    throw new BugError(`A hold has at most ${maxLines} lines, not ${lines.length}.`)
  }
  for (const [index, line] of lines.entries()) {
    checkLine(line)
    for (let before = 0; before < index; before += 1) {
      if (lines[before]?.key === line.key) {
        throw new BugError(`Two lines of one hold have the key ${line.key}.`)
      }
    }
  }
}

/** @throws BugError */
export function checkRenewal({ expiresInMs, used, note }: Renewal): void {
  checkExpiry(expiresInMs)
  checkUsed(used)
  checkNote(note)
}

function checkExpiry(expiresInMs: number): void {
  if (!Number.isSafeInteger(expiresInMs) || expiresInMs < 1 || expiresInMs > maxExpiryMs) {
    throw new BugError(`A hold lasts 1 ms to a day, not ${expiresInMs} ms.`)
  }
}

function checkNote(note = ''): void {
  if (note.length > maxNoteLength) {
    throw new BugError(`A hold's note has at most ${maxNoteLength} characters.`)
  }
}

export function checkUsed(used: readonly number[]): void {
  if (!used.every(isAmount)) {
    throw new BugError(`Use is counted in whole numbers from 0, not ${used.join(', ')}.`)
  }
}

function checkLine(line: Line): void {
  if (line.key === '' || line.key.length > maxKeyLength) {
    throw new BugError("A counter's key has 1 to 512 characters.")
  }
  if (!isAmount(line.amount) || !isAmount(line.cap ?? 0) || !isAmount(line.endsAtMs)) {
    throw new BugError(`A line holds whole numbers from 0 below 2^53: ${JSON.stringify(line)}`)
  }
}

function isAmount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}

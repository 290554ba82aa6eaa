import { BugError } from '../errors.ts'
import { bookedUse } from './booked-use.ts'
import { DeadlineQueue } from './deadline-queue.ts'
import { LedgerError } from './ledger-error.ts'
import { capOf, hasRoom, refusal } from './refusal.ts'
import { retention } from './retention.ts'
import type {
  Counter,
  Granted,
  Hold,
  LapsedHold,
  Line,
  LineKind,
  Refused,
  Renewal,
  RenewOutcome,
  Settlement,
  SettleOutcome,
} from './types.ts'

export interface BookCounter {
  readonly key: string
  readonly kind: LineKind
  committed: number
  held: number
  /** The part of `held` that is known to be used already. */
  noted: number
  /** Live holds on it. */
  holds: number
  endsAtMs: number
  /** For a store that keeps counters on disk: what it wrote last. */
  journaled: number
  /** How far it writes ahead: at most this much is counted too much after a crash. */
  block: number
  cap: number
}

interface BookLine {
  readonly counter: BookCounter
  amount: number
  noted: number
}

interface BookHold {
  readonly id: string
  note: string
  /** Empty once it was settled: its expiry still stands in the queue then. */
  lines: readonly BookLine[]
  expiresAtMs: number
  /** Where it stands among the expiries; a renewal moves it only once that comes up. */
  queuedForMs: number
  state: 'Live' | 'Lapsed' | 'Ended'
  /** Of one that lapsed: until when it can be corrected. */
  forgetAtMs: number
}

const nothing: Counter = { committed: 0, held: 0 }

/**
 * Counters and holds in memory: a function of its history and of the times it is told, which never go back. Everything
 * that fell due is booked first, so no answer depends on when somebody looked.
 */
export class LedgerBook {
  readonly #counters = new Map<string, BookCounter>()
  readonly #holds = new Map<string, BookHold>()
  /** Ids that are known still. A queue beside them: to look for the oldest in a set costs all that were deleted before. */
  readonly #settled = new Set<string>()
  readonly #forgets = new DeadlineQueue<string>()
  /** Oldest first. */
  readonly #lapsed = new Map<string, BookHold>()
  readonly #expiries = new DeadlineQueue<BookHold>()
  readonly #windowEnds = new DeadlineQueue<BookCounter>()
  #nowMs = 0

  try(hold: Hold, nowMs: number): Granted | Refused {
    this.tick(nowMs)
    const { lines } = hold
    const counters = lines.map((line) => this.#counters.get(line.key))
    if (this.#isLive(hold.id)) {
      return { outcome: 'Granted', counters: counters.map(valuesOf) }
    }
    let fits = true
    for (const [index, line] of lines.entries()) {
      this.#checkWindow(line)
      fits &&= hasRoom(line, counters[index] ?? nothing)
    }
    return fits ? this.#grant(hold) : refusal(lines, counters.map(valuesOf))
  }

  renew(
    holdId: string,
    { expiresInMs, used, note: words = '' }: Renewal,
    nowMs: number,
  ): RenewOutcome {
    this.tick(nowMs)
    const hold = this.#holds.get(holdId)
    if (hold === undefined) {
      return this.#settled.has(holdId) ? 'Ended' : 'Forgotten'
    }
    if (hold.state === 'Lapsed') {
      return 'Lapsed'
    }
    hold.expiresAtMs = Math.max(hold.expiresAtMs, this.#nowMs + expiresInMs)
    hold.note = words === '' ? hold.note : words
    for (const [index, line] of hold.lines.entries()) {
      note(line, used[index] ?? 0)
    }
    return 'Renewed'
  }

  settle(holdId: string, { used, exactness }: Settlement, nowMs: number): SettleOutcome {
    this.tick(nowMs)
    const hold = this.#holds.get(holdId)
    if (hold === undefined) {
      return this.#settled.has(holdId) ? 'Ended' : 'Forgotten'
    }
    const isLate = hold.state === 'Lapsed'
    for (const [index, line] of hold.lines.entries()) {
      const use = bookedUse(line, used[index] ?? 0, exactness)
      if (isLate) {
        commit(line.counter, Math.max(0, use - line.noted))
      } else {
        this.#end(line)
        commit(line.counter, use)
      }
    }
    hold.state = 'Ended'
    hold.lines = []
    hold.note = ''
    this.#holds.delete(holdId)
    this.#lapsed.delete(holdId)
    this.#settled.add(holdId)
    this.#forgets.push(this.#nowMs + retention.settledMs, holdId)
    return isLate ? 'Corrected' : 'Settled'
  }

  lapsed(ageMs: number, nowMs: number): readonly LapsedHold[] {
    this.tick(nowMs)
    return [...this.#lapsed.values()]
      .filter(({ expiresAtMs }) => expiresAtMs + ageMs <= this.#nowMs)
      .toSorted((a, b) => a.expiresAtMs - b.expiresAtMs || (a.id < b.id ? -1 : 1))
      .slice(0, retention.lapsedTold)
      .map(({ id, note, lines, expiresAtMs }) => {
        return { id, note, used: lines.map(({ noted }) => noted), lapsedAtMs: expiresAtMs }
      })
  }

  read(keys: readonly string[], nowMs: number): readonly Counter[] {
    this.tick(nowMs)
    return keys.map((key) => valuesOf(this.#counters.get(key)))
  }

  /** The counters that a hold is in; empty once it is forgotten. For a store that writes them down. */
  countersOf(holdId: string): readonly BookCounter[] {
    return this.#holds.get(holdId)?.lines.map(({ counter }) => counter) ?? []
  }

  counters(): IterableIterator<BookCounter> {
    return this.#counters.values()
  }

  /** A counter as it was written down in an earlier life. */
  restore(key: string, committed: number, endsAtMs: number): void {
    const counter = this.#counterFor({ key, kind: 'Flow', endsAtMs })
    counter.committed = committed
    counter.journaled = committed
  }

  /** Books and drops whatever fell due. Every call does so first; a store may do it in between, to free memory. */
  tick(nowMs: number): void {
    this.#nowMs = Math.max(this.#nowMs, nowMs)
    for (let hold = this.#nextExpiry(); hold !== undefined; hold = this.#nextExpiry()) {
      this.#lapse(hold)
    }
    for (
      let id = this.#forgets.popDue(this.#nowMs);
      id !== undefined;
      id = this.#forgets.popDue(this.#nowMs)
    ) {
      this.#settled.delete(id)
    }
    for (const [id, hold] of this.#lapsed) {
      if (hold.forgetAtMs > this.#nowMs) {
        break
      }
      this.#lapsed.delete(id)
      this.#holds.delete(id)
    }
    this.#dropOldWindows()
  }

  #isLive(holdId: string): boolean {
    const known = this.#holds.get(holdId)
    if (this.#settled.has(holdId) || known?.state === 'Lapsed') {
      throw new BugError(`The hold ${holdId} ended already; an attempt has an id of its own.`)
    }
    return known !== undefined
  }

  #grant(hold: Hold): Granted {
    const lines = hold.lines.map((line): BookLine => {
      const counter = this.#counterFor(line)
      counter.held += line.amount
      counter.holds += 1
      counter.block = blockOf(line)
      counter.cap = capOf(line)
      return { counter, amount: line.amount, noted: 0 }
    })
    const expiresAtMs = this.#nowMs + hold.expiresInMs
    const taken: BookHold = {
      id: hold.id,
      note: hold.note ?? '',
      lines,
      expiresAtMs,
      queuedForMs: expiresAtMs,
      state: 'Live',
      forgetAtMs: 0,
    }
    this.#holds.set(hold.id, taken)
    this.#expiries.push(expiresAtMs, taken)
    return { outcome: 'Granted', counters: lines.map(({ counter }) => valuesOf(counter)) }
  }

  #counterFor({ key, kind, endsAtMs }: Pick<Line, 'key' | 'kind' | 'endsAtMs'>): BookCounter {
    const known = this.#counters.get(key)
    if (known !== undefined) {
      known.endsAtMs = Math.max(known.endsAtMs, endsAtMs)
      return known
    }
    const empty = { committed: 0, held: 0, noted: 0, holds: 0, journaled: 0, block: 0, cap: 0 }
    const counter: BookCounter = { key, kind, endsAtMs, ...empty }
    this.#counters.set(key, counter)
    if (kind === 'Flow') {
      this.#windowEnds.push(endsAtMs + retention.counterMs, counter)
    }
    return counter
  }

  #checkWindow(line: Line): void {
    if (line.kind === 'Flow' && line.endsAtMs + retention.counterMs <= this.#nowMs) {
      throw new LedgerError('ClockSkew', `The window of ${line.key} ended long ago.`)
    }
  }

  /** Renewed holds go back with their new time; ended ones fall out here. */
  #nextExpiry(): BookHold | undefined {
    for (;;) {
      const hold = this.#expiries.popDue(this.#nowMs)
      if (hold === undefined || (hold.state === 'Live' && hold.expiresAtMs === hold.queuedForMs)) {
        return hold
      }
      if (hold.state === 'Live') {
        hold.queuedForMs = hold.expiresAtMs
        this.#expiries.push(hold.expiresAtMs, hold)
      }
    }
  }

  /** I6: booked at its last usage; from here on it reserves no more than that. */
  #lapse(hold: BookHold): void {
    for (const line of hold.lines) {
      this.#end(line)
      commit(line.counter, line.noted)
      line.amount = line.noted
    }
    hold.state = 'Lapsed'
    hold.forgetAtMs = hold.expiresAtMs + retention.lapsedMs
    this.#lapsed.set(hold.id, hold)
  }

  #end({ counter, amount, noted }: BookLine): void {
    counter.held -= Math.max(amount, noted)
    counter.noted -= noted
    counter.holds -= 1
    if (counter.kind === 'Lease' && counter.holds === 0) {
      this.#counters.delete(counter.key)
    }
  }

  #dropOldWindows(): void {
    for (;;) {
      const counter = this.#windowEnds.popDue(this.#nowMs)
      if (counter === undefined) {
        return
      }
      const dropAtMs = counter.endsAtMs + retention.counterMs
      if (dropAtMs <= this.#nowMs) {
        this.#counters.delete(counter.key)
      } else {
        this.#windowEnds.push(dropAtMs, counter)
      }
    }
  }
}

function note(line: BookLine, used: number): void {
  if (line.counter.kind === 'Flow' && used > line.noted) {
    const { counter } = line
    counter.held += Math.max(line.amount, used) - Math.max(line.amount, line.noted)
    counter.noted += used - line.noted
    line.noted = used
  }
}

function commit(counter: BookCounter, used: number): void {
  if (counter.kind === 'Flow') {
    counter.committed += used
  }
}

function valuesOf(counter: BookCounter | undefined): Counter {
  return counter === undefined ? nothing : { committed: counter.committed, held: counter.held }
}

/** A hundredth of the cap, so some hundred writes a window; or what one request may use where that is more. */
function blockOf({ amount, cap }: Line): number {
  return Math.max(amount, cap === undefined ? 16 * amount : Math.floor(cap / 100))
}

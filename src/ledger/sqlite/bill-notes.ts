import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { LapsedHold } from '../types.ts'
import { inTransaction } from './in-transaction.ts'
import { openDatabase } from './open-database.ts'

const schema = `create table if not exists notes (
  id text primary key, note text not null, at_ms integer not null
) without rowid, strict`

/** So many rows at once hold the event loop up for less than a millisecond. */
const batchSize = 100
/** A hold that ended stays for so long: until then its bill is surely written. */
const keptMs = 2_000

/**
 * The bills so far of holds under way, on disk, for whoever starts after a kill. Written beside the traffic, at most once a
 * second for each, and of requests that end sooner not at all.
 */
export class BillNotes {
  readonly #database: DatabaseSync
  readonly #put: StatementSync
  readonly #drop: StatementSync
  readonly #now: () => number
  readonly #onFault: (error: unknown) => void
  /** Of processes that are gone. */
  readonly #orphans = new Map<string, LapsedHold>()
  readonly #waiting = new Map<string, string>()
  readonly #written = new Set<string>()
  /** Ended ones, and when they can go. */
  readonly #ended = new Map<string, number>()
  #turn: NodeJS.Immediate | undefined
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(path: string, now: () => number, onFault: (error: unknown) => void) {
    this.#now = now
    this.#onFault = onFault
    this.#database = openDatabase(path, schema)
    this.#put = this.#database.prepare(
      `insert into notes values (?, ?, ?)
       on conflict do update set note = excluded.note, at_ms = excluded.at_ms`,
    )
    this.#drop = this.#database.prepare('delete from notes where id = ?')
    for (const row of this.#database.prepare('select id, note, at_ms from notes').all()) {
      const id = String(row['id'])
      const lapsedAtMs = Number(row['at_ms'])
      this.#orphans.set(id, { id, note: String(row['note']), used: [], lapsedAtMs })
    }
  }

  orphans(): readonly LapsedHold[] {
    return [...this.#orphans.values()]
  }

  /** Somebody billed it. False: there is none. */
  adopted(id: string): boolean {
    if (!this.#orphans.delete(id)) {
      return false
    }
    this.#drop.run(id)
    return true
  }

  put(id: string, note: string): void {
    if (this.#isClosed) {
      return
    }
    this.#waiting.set(id, note)
    this.#turn ??= setImmediate(() => this.#write())
  }

  ended(id: string): void {
    this.#waiting.delete(id)
    if (this.#written.delete(id) && !this.#isClosed) {
      this.#ended.set(id, this.#now() + keptMs)
      this.#timer ??= setTimeout(() => this.#dropEnded(this.#now()), keptMs + 100).unref()
    }
  }

  /** Holds that are still under way are left for the next process. */
  close(): void {
    this.#isClosed = true
    clearImmediate(this.#turn)
    this.#dropEnded(Number.POSITIVE_INFINITY)
    clearTimeout(this.#timer)
    this.#database.close()
  }

  #write(): void {
    const batch = [...this.#waiting].slice(0, batchSize)
    const nowMs = this.#now()
    this.#attempt(() => {
      for (const [id, note] of batch) {
        this.#put.run(id, note, nowMs)
        this.#written.add(id)
      }
    })
    for (const [id] of batch) {
      this.#waiting.delete(id)
    }
    this.#turn = this.#waiting.size === 0 ? undefined : setImmediate(() => this.#write())
  }

  #dropEnded(nowMs: number): void {
    const due = [...this.#ended].filter(([, atMs]) => atMs <= nowMs)
    this.#attempt(() => {
      for (const [id] of due) {
        this.#drop.run(id)
      }
    })
    for (const [id] of due) {
      this.#ended.delete(id)
    }
    this.#timer =
      this.#ended.size === 0
        ? undefined
        : setTimeout(() => this.#dropEnded(this.#now()), keptMs).unref()
  }

  /** One transaction. Nothing waits for these notes, so a full disk is told and no more. */
  #attempt(work: () => void): void {
    try {
      inTransaction(this.#database, work)
    } catch (error) {
      this.#onFault(error)
    }
  }
}

import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { inTransaction } from './in-transaction.ts'
import { openDatabase } from './open-database.ts'

export interface JournalRow {
  readonly key: string
  /** Never less than what is used. */
  readonly value: number
  readonly endsAtMs: number
}

const schema = `create table if not exists counters (
  key text primary key, value integer not null, ends_at_ms integer not null
) without rowid, strict`

/** Counters on disk, each written ahead of what is used. */
export class CounterJournal {
  readonly #database: DatabaseSync
  readonly #put: StatementSync
  readonly #drop: StatementSync

  constructor(path: string) {
    this.#database = openDatabase(path, schema)
    this.#put = this.#database.prepare(
      `insert into counters values (?, ?, ?)
       on conflict do update set value = excluded.value, ends_at_ms = excluded.ends_at_ms`,
    )
    this.#drop = this.#database.prepare('delete from counters where ends_at_ms < ?')
  }

  rows(): readonly JournalRow[] {
    const rows = this.#database.prepare('select key, value, ends_at_ms from counters').all()
    return rows.map((row) => ({
      key: String(row['key']),
      value: Number(row['value']),
      endsAtMs: Number(row['ends_at_ms']),
    }))
  }

  /** All rows or none. */
  write(rows: readonly JournalRow[]): void {
    inTransaction(this.#database, () => {
      for (const { key, value, endsAtMs } of rows) {
        this.#put.run(key, value, endsAtMs)
      }
    })
  }

  dropBefore(endsAtMs: number): void {
    this.#drop.run(endsAtMs)
  }

  close(): void {
    this.#database.close()
  }
}

import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { LedgerError } from '../ledger-error.ts'
import { openDatabase } from '../sqlite/open-database.ts'
import { QueryThread } from './query-thread.ts'
import type { UsageQuery, UsageRecord, UsageRow, UsageStore } from './types.ts'
import {
  usageColumns,
  usageConflict,
  usageFields,
  usageRow,
  usageSelect,
  usageTable,
} from './usage-sql.ts'

/** Usage records in a file. They are written on the event loop, some microseconds each; queries run in a thread. */
export class SqliteUsage implements UsageStore {
  readonly #database: DatabaseSync
  readonly #insert: StatementSync
  readonly #queries: QueryThread

  constructor(path: string) {
    this.#queries = new QueryThread(path)
    this.#database = openDatabase(path, usageTable('text'))
    const marks = usageColumns.map(() => '?').join(', ')
    this.#insert = this.#database.prepare(
      `insert into usage_records (${usageColumns.join(', ')}) values (${marks}) ${usageConflict}`,
    )
  }

  async append(records: readonly UsageRecord[]): Promise<void> {
    this.#attempt(() => {
      this.#database.exec('begin immediate')
      try {
        for (const record of records) {
          this.#insert.run(...usageFields.map((field) => record[field]))
        }
        this.#database.exec('commit')
      } finally {
        if (this.#database.isTransaction) {
          this.#database.exec('rollback')
        }
      }
    })
  }

  async query(query: UsageQuery): Promise<readonly UsageRow[]> {
    const { text, values } = usageSelect(
      query,
      () => '?',
      (sum) => `cast(${sum} as text)`,
    )
    const rows = await this.#queries.ask({ text, values })
    return rows.map((row) => usageRow(row, query.groupBy))
  }

  async forget(beforeMs: number): Promise<number> {
    const deleted = this.#attempt(() =>
      this.#database.prepare('delete from usage_records where at_ms < ?').run(beforeMs),
    )
    return Number(deleted.changes)
  }

  async close(): Promise<void> {
    await this.#queries.close()
    this.#database.close()
  }

  #attempt<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      throw new LedgerError('Unavailable', `Usage records cannot be kept: ${reason}`, error)
    }
  }
}

import { openDatabase } from '../sqlite/open-database.ts'
import { SqliteThread } from './sqlite-thread.ts'
import type { UsageQuery, UsageRecord, UsageRow, UsageStore } from './types.ts'
import {
  usageColumns,
  usageConflict,
  usageFields,
  usageRow,
  usageSelect,
  usageTable,
} from './usage-sql.ts'

const insert = `insert into usage_records (${usageColumns.join(', ')})
  values (${usageColumns.map(() => '?').join(', ')}) ${usageConflict}`

/** Usage records in a file, written in one thread and queried in another. */
export class SqliteUsage implements UsageStore {
  readonly #writer: SqliteThread
  readonly #reader: SqliteThread

  /** @throws UserError where the file cannot be used */
  constructor(path: string) {
    openDatabase(path, usageTable('text')).close()
    this.#writer = new SqliteThread({
      path,
      writes: true,
      problem: 'Usage records cannot be kept',
    })
    this.#reader = new SqliteThread({
      path,
      writes: false,
      problem: 'Usage records cannot be read',
    })
  }

  async append(records: readonly UsageRecord[]): Promise<void> {
    const rows = records.map((record) => usageFields.map((field) => record[field]))
    await this.#writer.ask({ text: insert, rows: JSON.stringify(rows) })
  }

  async query(query: UsageQuery): Promise<readonly UsageRow[]> {
    const { text, values } = usageSelect(
      query,
      () => '?',
      (sum) => `cast(${sum} as text)`,
    )
    const { rows } = await this.#reader.ask({ text, values })
    return rows.map((row) => usageRow(row, query.groupBy))
  }

  async forget(beforeMs: number): Promise<number> {
    const { changes } = await this.#writer.ask({
      text: 'delete from usage_records where at_ms < ?',
      rows: JSON.stringify([[beforeMs]]),
    })
    return changes
  }

  async close(): Promise<void> {
    await Promise.all([this.#reader.close(), this.#writer.close()])
  }
}

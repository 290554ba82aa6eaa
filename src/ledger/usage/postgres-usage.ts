import { PostgresConnection, type PostgresOptions } from '../postgres/postgres-connection.ts'
import type { UsageQuery, UsageRecord, UsageRow, UsageStore } from './types.ts'
import {
  usageColumns,
  usageConflict,
  usageFields,
  usageRow,
  usageSelect,
  usageTable,
} from './usage-sql.ts'

/** Usage records of all gateways. */
export class PostgresUsage implements UsageStore {
  readonly #postgres: PostgresConnection

  private constructor(postgres: PostgresConnection) {
    this.#postgres = postgres
  }

  /** @throws LedgerError when there is no server; UserError when its tables cannot be made. */
  static async open(options: PostgresOptions): Promise<PostgresUsage> {
    const isThere = (schema: string) => `to_regclass('${schema}.usage_by_time') is not null`
    const tables = usageTable('text collate "C"')
    return new PostgresUsage(await PostgresConnection.open(options, isThere, tables))
  }

  async append(records: readonly UsageRecord[]): Promise<void> {
    // One array a column: a statement of one text, whatever the number of records.
    const arrays = usageColumns.map((_, index) => `$${index + 1}::${typeOf(index)}[]`).join(', ')
    await this.#postgres.query(
      'loraplex append usage',
      `insert into usage_records (${usageColumns.join(', ')})
        select distinct on (attempt_id) * from unnest(${arrays}) as told (${usageColumns.join(', ')}) ${usageConflict}`,
      usageFields.map((field) => records.map((record) => record[field])),
    )
  }

  async query(query: UsageQuery): Promise<readonly UsageRow[]> {
    const { text, values } = usageSelect(
      query,
      (position) => `$${position}`,
      (sum) => `(${sum})::text`,
    )
    // Unnamed: buckets are part of the text, so there is no end of them.
    const rows = await this.#postgres.query(undefined, text, [...values])
    return rows.map((row) => usageRow(row, query.groupBy))
  }

  async forget(beforeMs: number): Promise<number> {
    const rows = await this.#postgres.query<{ count: string }>(
      'loraplex forget usage',
      'with gone as (delete from usage_records where at_ms < $1 returning 1) select count(*) as count from gone',
      [beforeMs],
    )
    return Number(rows[0]?.count ?? 0)
  }

  close(): Promise<void> {
    return this.#postgres.close()
  }
}

function typeOf(index: number): 'bigint' | 'text' {
  return /_ms$|_tokens$|_nanos$/.test(usageColumns[index] ?? '') ? 'bigint' : 'text'
}

import type { DatabaseSync } from 'node:sqlite'

/** All of `work` or none of it. */
export function inTransaction(database: DatabaseSync, work: () => void): void {
  database.exec('begin immediate')
  try {
    work()
    database.exec('commit')
  } finally {
    if (database.isTransaction) {
      database.exec('rollback')
    }
  }
}

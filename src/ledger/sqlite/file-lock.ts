import { DatabaseSync } from 'node:sqlite'
import { UserError } from '../../errors.ts'

/** SQLITE_BUSY. */
const busy = 5

/** One writer a file. The kernel holds the lock, so a killed process leaves none behind. */
export class FileLock {
  readonly #database: DatabaseSync

  private constructor(database: DatabaseSync) {
    this.#database = database
  }

  /** @throws UserError when another process writes this ledger. */
  static take(path: string): FileLock {
    const database = new DatabaseSync(`${path}.lock`)
    try {
      database.exec('pragma busy_timeout = 0; begin exclusive')
      return new FileLock(database)
    } catch (error) {
      database.close()
      if (!(error instanceof Error && 'errcode' in error && error.errcode === busy)) {
        throw error
      }
      throw new UserError(
        `Another process keeps its counters in ${path} already.\nStop it, or give this one a file of its own; several gateways share counters in Redis or Postgres.`,
        1,
        error,
      )
    }
  }

  release(): void {
    this.#database.close()
  }
}

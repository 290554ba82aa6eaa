import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { UserError } from '../../errors.ts'

/**
 * A file that others may read while we write. A killed process loses nothing that was written; a power cut may lose what
 * was written since the last checkpoint, because a flush for every write would hold up the event loop.
 */
export function openDatabase(path: string, schema: string): DatabaseSync {
  try {
    if (path !== ':memory:') {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    }
    const database = new DatabaseSync(path)
    database.exec(
      'pragma busy_timeout = 2000; pragma journal_mode = wal; pragma synchronous = normal',
    )
    database.exec(schema)
    return database
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new UserError(
      `The database ${path} cannot be used: ${reason}.\nMake its folder writable, or move the file away to begin with an empty one.`,
      1,
      error,
    )
  }
}

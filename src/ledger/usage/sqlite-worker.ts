// A connection to a SQLite file in a thread of its own: see `sqlite-thread.ts`.
import { DatabaseSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import { BugError } from '../../errors.ts'
import { inTransaction } from '../sqlite/in-transaction.ts'
import { openDatabase } from '../sqlite/open-database.ts'
import type { SqliteThreadOptions, ThreadAnswer, ThreadTask } from './sqlite-thread.ts'

if (parentPort === null) {
  throw new BugError('sqlite-worker runs as a worker thread only')
}
const port = parentPort
const { path, writes } = workerData as SqliteThreadOptions
const database = writes
  ? openDatabase(path, '')
  : new DatabaseSync(path, { readOnly: true, timeout: 5_000 })

function answer(task: ThreadTask): ThreadAnswer {
  try {
    const statement = database.prepare(task.text)
    if ('values' in task) {
      return { rows: statement.all(...task.values), changes: 0 }
    }
    let changes = 0
    inTransaction(database, () => {
      for (const row of JSON.parse(task.rows) as readonly (string | number)[][]) {
        changes += Number(statement.run(...row).changes)
      }
    })
    return { rows: [], changes }
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) }
  }
}

port.on('message', (task: ThreadTask) => port.postMessage(answer(task)))

// Answers queries of usage records in a thread of its own: see `query-thread.ts`.
import { DatabaseSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import { BugError } from '../../errors.ts'
import type { QueryAnswer, QueryMessage } from './query-thread.ts'

if (parentPort === null) {
  throw new BugError('query-worker runs as a worker thread only')
}
const port = parentPort
const database = new DatabaseSync(String(workerData), { readOnly: true, timeout: 5_000 })

function answer({ text, values }: QueryMessage): QueryAnswer {
  try {
    return { rows: database.prepare(text).all(...values) }
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) }
  }
}

port.on('message', (message: QueryMessage) => port.postMessage(answer(message)))

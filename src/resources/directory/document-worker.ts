// Reads one large document in a thread of its own; see `read-apart.ts`.
import { parentPort, workerData } from 'node:worker_threads'
import { BugError } from '../../errors.ts'
import { readDocument } from './read-document.ts'

if (parentPort === null) {
  throw new BugError('document-worker runs as a worker thread only')
}
const port = parentPort
port.postMessage(readDocument(String(workerData)))

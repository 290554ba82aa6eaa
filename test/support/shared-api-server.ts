import { afterAll, beforeAll } from 'vitest'
import { startApiServer, type ApiServer, type ApiServerOptions } from './api-server.ts'

/** One API server for all tests of a file: `const api = sharedApiServer()` at its top, `api().url` in its tests. */
export function sharedApiServer(options: ApiServerOptions = {}): () => ApiServer {
  let server: ApiServer | undefined
  beforeAll(async () => {
    server = await startApiServer(options)
  })
  afterAll(async () => {
    await server?.stop()
  })
  return () => {
    if (server === undefined) {
      throw new Error('the API server starts before the first test, not before the file is read')
    }
    return server
  }
}

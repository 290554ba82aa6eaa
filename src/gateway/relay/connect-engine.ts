import { Pool } from 'undici'

/**
 * uvicorn closes idle connections after 5 s, so ours must go first. Answers may take as long as a stream may last: time
 * limits are the exchange's, by sweep, not one timer a request.
 */
export function connectEngine(url: string): Pool {
  return new Pool(url, {
    connections: null,
    pipelining: 1,
    allowH2: false,
    keepAliveTimeout: 4000,
    keepAliveMaxTimeout: 4000,
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: { timeout: 2000 },
  })
}

import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'
import { UserError } from '../errors.ts'

/**
 * A loopback port for an engine. Below Linux's ephemeral range (32768 and up), so that no outgoing connection takes it
 * while the engine restarts: an engine keeps its port for as long as it is looked after.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 50; tries += 1) {
    const port = randomInt(20_000, 32_000)
    if (await isFree(port)) {
      return port
    }
  }
  throw new UserError('No free port was found on 127.0.0.1 between 20000 and 32000 for an engine.')
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      server.close(() => resolve(true))
    })
  })
}

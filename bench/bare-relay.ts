/**
 * The yardstick: a relay of Fastify and undici `dispatch` that does nothing else. It reads the body as a buffer (as any
 * gateway that can retry must), parses nothing, and passes answer bytes on with backpressure. It is meant to be as fast as
 * these two can be. `node bench/bare-relay.ts --upstream URL [--port N]` prints `{"port":N}` once it listens.
 */
import type { AddressInfo } from 'node:net'
import process from 'node:process'
import { parseArgs } from 'node:util'
import Fastify from 'fastify'
import { Pool } from 'undici'
import { RelayHandler } from './bare-relay/relay-handler.ts'

const { values } = parseArgs({
  options: { port: { type: 'string', default: '0' }, upstream: { type: 'string', default: '' } },
})

const pool = new Pool(values.upstream, { pipelining: 1, headersTimeout: 0, bodyTimeout: 0 })
const app = Fastify({ logger: false, bodyLimit: 8 * 1024 * 1024 })
app.removeAllContentTypeParsers()
app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => {
  done(null, body)
})
const requestHeaders = ['content-type', 'application/json']
app.post('/*', (request, reply) => {
  reply.hijack()
  pool.dispatch(
    {
      path: request.url,
      method: 'POST',
      headers: requestHeaders,
      body: request.body as Buffer,
    },
    new RelayHandler(reply.raw),
  )
})

await app.listen({ host: '127.0.0.1', port: Number(values.port), backlog: 4096 })
const { port } = app.server.address() as AddressInfo
process.stdout.write(`${JSON.stringify({ port })}\n`)

process.once('SIGTERM', () => {
  app.server.closeAllConnections()
  void app.close().then(() => pool.destroy())
})

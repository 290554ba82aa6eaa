import { createServer, request, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ArrivingBodies } from './arriving-bodies.ts'
import { eventually } from '../../../test/support/eventually.ts'
import { readRequestBody, type RequestBody } from './request-body.ts'

const limitBytes = 100_000
const arriving = new ArrivingBodies()
let outcome: Promise<{ error: Error | null; body: RequestBody | undefined }>
let settle: (value: Awaited<typeof outcome>) => void

const server = createServer((message: IncomingMessage, response) => {
  readRequestBody(message, limitBytes, arriving.begin('acme'), (error, body) => {
    settle({ error, body })
    response.end()
  })
})

beforeAll(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

function post(headers: Record<string, string | number>): ReturnType<typeof request> {
  outcome = new Promise((resolve) => {
    settle = resolve
  })
  const { port } = server.address() as AddressInfo
  return request({ host: '127.0.0.1', port, method: 'POST', headers }).on('error', () => undefined)
}

const text = 'é'.repeat(40_000)

test('a body of a declared length lies in one buffer behind free bytes', async () => {
  const call = post({ 'content-length': Buffer.byteLength(text) })
  call.write(text.slice(0, 17))
  setTimeout(() => call.end(text.slice(17)), 20)
  const { error, body } = await outcome
  expect(error).toBeNull()
  expect(body?.start).toBeGreaterThan(300)
  expect(body?.room.toString('utf8', body.start)).toBe(text)
})

test('a body in chunks is put together', async () => {
  const call = post({ 'transfer-encoding': 'chunked' })
  call.write(text.slice(0, 30_001))
  setTimeout(() => call.end(text.slice(30_001)), 20)
  const { body } = await outcome
  expect(body?.room.toString('utf8', body.start)).toBe(text)
})

test.each([{ 'content-length': limitBytes + 1 }, { 'transfer-encoding': 'chunked' }])(
  'one byte too many is refused: %o',
  async (headers) => {
    post(headers).end('x'.repeat(limitBytes + 1))
    expect((await outcome).error).toMatchObject({ code: 'request_too_large' })
  },
)

/** A connection that ends in the middle of a body, once its first half has come. */
async function cutShort(): Promise<void> {
  const call = post({ 'content-length': 1000 })
  call.write('half')
  await eventually(() => arriving.bytes).toBe(4)
  call.destroy()
}

test('a body that is cut short is no body', async () => {
  await cutShort()
  expect((await outcome).error).toMatchObject({ code: 'invalid_request' })
})

test('a body in too many pieces is refused', async () => {
  const call = post({ 'transfer-encoding': 'chunked' })
  for (let piece = 0; piece <= 16 * 1024; piece += 1) {
    call.write('x')
  }
  call.end()
  expect((await outcome).error).toMatchObject({ code: 'invalid_request' })
})

test('what arrives counts until it is whole, and one tenant cannot take everybody’s room', () => {
  const bodies = new ArrivingBodies({ maxBytes: 100, maxTenantBytes: 60 })
  const first = bodies.begin('acme')
  expect(first.take(50)).toBeUndefined()
  expect(bodies.begin('acme').take(20)).toMatchObject({ code: 'queue_share_full' })
  const other = bodies.begin('globex')
  expect(other.take(50)).toBeUndefined()
  expect(other.take(1)).toMatchObject({ code: 'overloaded' })
  first.end()
  first.end()
  expect(bodies.bytes).toBe(50)
  expect(other.take(10)).toBeUndefined()
  other.end()
  expect(bodies.bytes).toBe(0)
})

test('nothing is counted any more of a body that was cut short', async () => {
  await cutShort()
  await outcome
  expect(arriving.bytes).toBe(0)
})

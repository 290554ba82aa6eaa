import { once } from 'node:events'
import { createServer, request as get, type IncomingMessage, type Server, Agent } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { StreamBody } from './stream-body.ts'

const pieces = [
  'data: one\n\n',
  Buffer.from('data: zwölf\n\n').toString('latin1'),
  'x'.repeat(70_000),
]
const wanted = Buffer.from(pieces.join(''), 'latin1').toString('utf8')

let server: Server
let port: number

beforeEach(async () => {
  server = createServer((_request, response) => {
    const body = new StreamBody(response)
    body.begin(200, { 'content-type': 'text/event-stream' })
    for (const piece of pieces) {
      body.write(piece)
    }
    body.end('data: end\n\n')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  port = (server.address() as AddressInfo).port
})

afterEach(() => {
  server.closeAllConnections()
  server.close()
})

async function read(agent: Agent): Promise<{ text: string; port: number | undefined }> {
  const [response] = (await once(get({ port, agent, host: '127.0.0.1' }).end(), 'response')) as [
    IncomingMessage,
  ]
  const localPort = response.socket.localPort
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) {
    text += String(chunk)
  }
  return { text, port: localPort }
}

describe('a streamed body', () => {
  test('arrives whole, and its connection serves the next request', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const first = await read(agent)
    const second = await read(agent)
    agent.destroy()
    expect([first.text, second.text]).toEqual([`${wanted}data: end\n\n`, `${wanted}data: end\n\n`])
    expect(second.port).toBe(first.port)
  })

  test('has no chunk frames for an HTTP/1.0 caller, whose connection ends it', async () => {
    const socket = connect(port, '127.0.0.1')
    socket.write('GET / HTTP/1.0\r\n\r\n')
    let raw = ''
    for await (const chunk of socket.setEncoding('utf8')) {
      raw += String(chunk)
    }
    expect(raw.slice(raw.indexOf('\r\n\r\n') + 4)).toBe(`${wanted}data: end\n\n`)
    expect(raw.toLowerCase()).not.toContain('transfer-encoding')
  })

  test('keeps two pipelined answers apart', async () => {
    const socket = connect(port, '127.0.0.1')
    socket.write(
      'GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    )
    let raw = ''
    for await (const chunk of socket.setEncoding('latin1')) {
      raw += String(chunk)
    }
    expect(raw.split('HTTP/1.1 200 OK')).toHaveLength(3)
    expect(raw.split('\r\n0\r\n\r\n')).toHaveLength(3)
  })
})

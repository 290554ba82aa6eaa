import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { GatewayBed, keyOfTenant } from '../support/gateway-bed.ts'
import { openRaw, rawPost, sendRaw } from '../support/http-caller.ts'

let bed: GatewayBed
beforeAll(async () => {
  bed = await GatewayBed.start({ bodyLimit: 256 * 1024 })
})
afterAll(() => bed.close())

const key = keyOfTenant('acme')
const auth = `authorization: Bearer ${key}\r\n`
const json = 'content-type: application/json\r\n'
const hello = { model: 'tickets', messages: [{ role: 'user', content: 'hi' }], max_tokens: 1 }
const body = JSON.stringify(hello)
const length = `content-length: ${body.length}\r\n`
const post = 'POST /v1/chat/completions HTTP/1.1\r\n'
const host = 'host: gateway\r\n'

interface Row {
  readonly bytes: string | Buffer
  readonly want: number
  readonly wantCode?: string
}

const manyHeaders = (count: number) =>
  Array.from({ length: count }, (_, at) => `x-${at}: 1\r\n`).join('')

const attacks: Record<string, Row> = {
  'two Host headers': {
    bytes: `GET /v1/models HTTP/1.1\r\n${host}host: other\r\n${auth}\r\n`,
    want: 400,
    wantCode: 'invalid_request',
  },
  'no Host header': {
    bytes: `GET /v1/models HTTP/1.1\r\n${auth}\r\n`,
    want: 400,
    wantCode: 'invalid_request',
  },
  '300 headers': {
    bytes: `GET /v1/models HTTP/1.1\r\n${host}${manyHeaders(300)}${auth}\r\n`,
    want: 431,
    wantCode: 'headers_too_large',
  },
  '2,500 headers, the key behind them': {
    bytes: `GET /v1/models HTTP/1.1\r\n${host}${'a:1\r\n'.repeat(2500)}${auth}\r\n`,
    want: 431,
    wantCode: 'headers_too_large',
  },
  'a header of 20 kB': {
    bytes: `GET /v1/models HTTP/1.1\r\n${host}x: ${'y'.repeat(20_000)}\r\n\r\n`,
    want: 431,
    wantCode: 'headers_too_large',
  },
  'Transfer-Encoding beside Content-Length': {
    bytes: `${post}${host}${auth}${json}${length}transfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
    want: 400,
  },
  'two Content-Lengths': {
    bytes: `${post}${host}${auth}${json}${length}content-length: 5\r\n\r\n${body}`,
    want: 400,
  },
  'an unknown Transfer-Encoding': {
    bytes: `${post}${host}${auth}${json}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n`,
    want: 400,
  },
  'a space before the colon': {
    bytes: `GET /v1/models HTTP/1.1\r\nhost : gateway\r\n${auth}\r\n`,
    want: 400,
  },
  'a line that goes on in the next': {
    bytes: `GET /v1/models HTTP/1.1\r\n${host}x: a\r\n b\r\n${auth}\r\n`,
    want: 400,
  },
  'bytes that are no HTTP': { bytes: Buffer.from([0x16, 3, 1, 0, 255, 0, 0, 1]), want: 400 },
  'HTTP/2’s preface': { bytes: 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', want: 400 },
  'a body longer than the limit says it is': {
    bytes: `${post}${host}${auth}${json}content-length: 9999999\r\n\r\n`,
    want: 413,
    wantCode: 'request_too_large',
  },
  'a chunked body that grows over the limit': {
    bytes: `${post}${host}${auth}${json}transfer-encoding: chunked\r\n\r\n${'10000\r\n'
      .padEnd(0x10000 + 7, 'x')
      .concat('\r\n')
      .repeat(5)}0\r\n\r\n`,
    want: 413,
    wantCode: 'request_too_large',
  },
  'a compressed body': {
    bytes: `${post}${host}${auth}${json}content-encoding: gzip\r\n${length}\r\n${body}`,
    want: 415,
    wantCode: 'unsupported_media_type',
  },
  'an absolute URI of another host': {
    bytes: `GET http://169.254.169.254/latest/meta-data HTTP/1.1\r\n${host}${auth}\r\n`,
    want: 404,
    wantCode: 'route_not_found',
  },
  'two slashes': {
    bytes: `GET /v1//models HTTP/1.1\r\n${host}${auth}\r\n`,
    want: 404,
    wantCode: 'route_not_found',
  },
  'dots that climb': {
    bytes: `GET /v1/models/../../metrics HTTP/1.1\r\n${host}${auth}\r\n`,
    want: 404,
  },
  'encoded dots that climb': {
    bytes: `GET /v1/models/%2e%2e%2f%2e%2e%2fmetrics HTTP/1.1\r\n${host}${auth}\r\n`,
    want: 404,
    wantCode: 'model_not_found',
  },
  'an escape that is none': {
    bytes: `GET /v1/models/%zz HTTP/1.1\r\n${host}${auth}\r\n`,
    want: 404,
  },
  'a NUL in a name': {
    bytes: `GET /v1/models/a%00b HTTP/1.1\r\n${host}${auth}\r\n`,
    want: 404,
    wantCode: 'model_not_found',
  },
  'an escape that is no UTF-8': {
    bytes: `GET /v1/models/%ff HTTP/1.1\r\n${host}${auth}\r\n`,
    want: 404,
  },
  'a name of 2,000 letters': {
    bytes: `GET /v1/models/${'a'.repeat(2000)} HTTP/1.1\r\n${host}${auth}\r\n`,
    want: 404,
    wantCode: 'model_not_found',
  },
  'a path of another case': {
    bytes: `GET /V1/Models HTTP/1.1\r\n${host}${auth}\r\n`,
    want: 404,
    wantCode: 'route_not_found',
  },
  'a path in the authority’s place': {
    bytes: `GET //evil/v1/models HTTP/1.1\r\n${host}${auth}\r\n`,
    want: 404,
    wantCode: 'route_not_found',
  },
  OPTIONS: {
    bytes: `OPTIONS /v1/chat/completions HTTP/1.1\r\n${host}\r\n`,
    want: 404,
    wantCode: 'route_not_found',
  },
  'OPTIONS *': { bytes: `OPTIONS * HTTP/1.1\r\n${host}\r\n`, want: 404 },
  TRACE: { bytes: `TRACE /v1/models HTTP/1.1\r\n${host}${auth}\r\n`, want: 404 },
  PUT: {
    bytes: `PUT /v1/chat/completions HTTP/1.1\r\n${host}${auth}${json}${length}\r\n${body}`,
    want: 404,
    wantCode: 'route_not_found',
  },
  'an unknown method': { bytes: `BREW /v1/models HTTP/1.1\r\n${host}\r\n`, want: 400 },
  'a query where a path ends': {
    bytes: `GET /v1/models/nobody?x=../.. HTTP/1.1\r\n${host}${auth}\r\n`,
    want: 404,
    wantCode: 'model_not_found',
  },
}

interface Parsed {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

function parse(text: string): Parsed {
  const [head = '', ...rest] = text.split('\r\n\r\n')
  const [line = '', ...fields] = head.split('\r\n')
  return {
    status: Number(line.split(' ')[1]),
    headers: Object.fromEntries(
      fields.map((field) => {
        const at = field.indexOf(':')
        return [field.slice(0, at).toLowerCase(), field.slice(at + 1).trim()]
      }),
    ),
    body: rest.join('\r\n\r\n'),
  }
}

describe('a request that no client would send is refused in OpenAI’s shape, with an id:', () => {
  test.each(Object.entries(attacks))('%s', async (_sentence, { bytes, want, wantCode }) => {
    const { status, headers, body: text } = parse(await sendRaw(bed.port, bytes, { waitMs: 400 }))
    expect(status).toBe(want)
    expect(headers['x-request-id']).toMatch(/^req_/)
    expect(headers['content-type']).toBe('application/json; charset=utf-8')
    const { error } = JSON.parse(text) as { error: Record<string, unknown> }
    expect(Object.keys(error)).toEqual(['message', 'type', 'param', 'code'])
    if (wantCode !== undefined) {
      expect(error['code']).toBe(wantCode)
    }
  })
})

describe('a request that is unusual is served:', () => {
  const served: Record<string, string> = {
    'an absolute URI': `GET http://gateway/v1/models HTTP/1.1\r\n${host}${auth}\r\n`,
    'HTTP/1.0 without a host': `GET /v1/models HTTP/1.0\r\n${auth}\r\n`,
    'an upgrade that is not taken': `GET /v1/models HTTP/1.1\r\n${host}${auth}connection: upgrade\r\nupgrade: websocket\r\n\r\n`,
    'an upgrade to HTTP/2': `GET /v1/models HTTP/1.1\r\n${host}${auth}connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n\r\n`,
    'a strange expectation': `GET /v1/models HTTP/1.1\r\n${host}${auth}expect: the-best\r\n\r\n`,
    'a GET with a body': `GET /v1/models HTTP/1.1\r\n${host}${auth}${json}${length}\r\n${body}`,
    'a chunked body': `${post}${host}${auth}${json}transfer-encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
    'a charset': `${post}${host}${auth}content-type: application/json; charset=utf-8\r\n${length}\r\n${body}`,
    'white space around the key': `GET /v1/models HTTP/1.1\r\n${host}authorization: Bearer   ${key}  \r\n\r\n`,
  }
  test.each(Object.entries(served))('%s', async (_sentence, bytes) => {
    const { status, headers } = parse(await sendRaw(bed.port, bytes, { waitMs: 400 }))
    expect(status).toBe(200)
    expect(headers['x-request-id']).toMatch(/^req_/)
  })

  test('100-continue', async () => {
    const text = await sendRaw(
      bed.port,
      `${post}${host}${auth}${json}${length}expect: 100-continue\r\n\r\n${body}`,
      { waitMs: 400 },
    )
    expect(text).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK/)
  })

  test('several on one connection, one after the other', async () => {
    const text = await sendRaw(bed.port, rawPost('/v1/chat/completions', key, hello).repeat(3), {
      waitMs: 800,
    })
    expect(text.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(3)
    const ids = [...text.matchAll(/x-request-id: (\S+)/g)].map((match) => match[1])
    expect(new Set(ids).size).toBe(3)
  })
})

describe('the connection', () => {
  test('to HEAD gets no body', async () => {
    const text = await sendRaw(bed.port, `HEAD /v1/models HTTP/1.1\r\n${host}${auth}\r\n`, {
      waitMs: 300,
    })
    expect(text).toMatch(/^HTTP\/1\.1 404/)
    expect(text).toMatch(/\r\n\r\n$/)
  })

  test('for CONNECT is closed without a word of the inside', async () => {
    const text = await sendRaw(bed.port, 'CONNECT 127.0.0.1:22 HTTP/1.1\r\nhost: x\r\n\r\n')
    expect(text).not.toContain('200')
  })

  test('with garbage behind a stream is cut, and no second answer is mixed in', async () => {
    const request = rawPost('/v1/chat/completions', key, {
      ...hello,
      stream: true,
      max_tokens: 200,
      ignore_eos: true,
    })
    const socket = openRaw(bed.port, request)
    let text = ''
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.on('data', (chunk: Buffer) => {
      if (text === '') {
        socket.write('\0\0garbage\r\n\r\n')
      }
      text += chunk.toString('latin1')
    })
    await closed
    expect(text.match(/HTTP\/1\.1 /g)).toHaveLength(1)
    await eventually(() => bed.gateway.inFlight).toBe(0)
  })
})

test('after all this the engine has seen no more than what was served, and nothing is left', async () => {
  await eventually(() => bed.engine.engine.gauges.running).toBe(0)
  expect(bed.gateway.inFlight).toBe(0)
})

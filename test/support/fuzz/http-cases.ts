import { goodBody } from './body-cases.ts'
import type { Dice } from './dice.ts'
import { auth, goodRequest, host, json, key, paths } from './good-request.ts'

export interface HttpCase {
  readonly kind: string
  readonly bytes: Buffer
  /** Nothing of it may be answered well. */
  readonly refused: boolean
  /** The caller leaves after so many bytes of the answer, or of its own request where it is negative. */
  readonly leave?: number
}

/** A request that HTTP's parsers may read differently, or that none should take. */
export function httpCase(dice: Dice): HttpCase {
  const kind = dice.pick(kinds)
  return { kind, ...cases[kind](dice) }
}

type Made = Omit<HttpCase, 'kind'>

const hidden = goodRequest()

/** `head` gets everything after the request line of a POST with a good body. */
function post(dice: Dice, extra: string, body?: string, length = true): string {
  const path = dice.pick(paths)
  const text = body ?? goodBody(path)
  const declared = length ? `content-length: ${Buffer.byteLength(text)}\r\n` : ''
  return `POST ${path} HTTP/1.1\r\n${host}${auth}${json}${declared}${extra}\r\n${text}`
}

const refused = (text: string): Made => ({ bytes: Buffer.from(text, 'latin1'), refused: true })
const either = (text: string): Made => ({ bytes: Buffer.from(text, 'latin1'), refused: false })

function chunked(
  text: string,
  size: number,
  line = (bytes: number): string => bytes.toString(16),
): string {
  const pieces = text.match(new RegExp(`[\\s\\S]{1,${size}}`, 'g')) ?? []
  return `${pieces.map((piece) => `${line(piece.length)}\r\n${piece}\r\n`).join('')}0\r\n\r\n`
}

const te = 'transfer-encoding: '

/** Whether the engine's answer comes out is chance where the connection breaks behind the request: it asks for the base, by a name as long. */
const ofBase = (text: string): string => text.replaceAll('"tickets"', '"llama-b"')

const cases = {
  'CL.TE': (dice) => refused(post(dice, `${te}chunked\r\n`, `0\r\n\r\n${hidden}`)),
  'TE.CL': (dice) =>
    refused(post(dice, `content-length: 4\r\n${te}chunked\r\n`, chunked(hidden, 9000), false)),
  'TE.TE': (dice) => {
    const second = dice.pick([
      'identity',
      'x',
      'chunked',
      'gzip, chunked',
      'chunked, identity',
      '',
      '\tchunked\v',
    ])
    return refused(
      post(
        dice,
        `${te}${dice.pick(['xchunked', 'identity', 'gzip'])}\r\n${te}${second}\r\ncontent-length: 3\r\n`,
        chunked('{}', 10),
        false,
      ),
    )
  },
  'unknown encoding': (dice) =>
    refused(
      post(
        dice,
        `${te}${dice.pick(['x', 'gzip', 'deflate', 'chunked, x', '\u000bchunked', '"chunked"'])}\r\n`,
        chunked('{}', 10),
        false,
      ),
    ),
  'two lengths': (dice) => {
    const other = dice.pick([
      '0',
      '1',
      '5',
      '99999',
      '+5',
      '-1',
      '0x10',
      '1e2',
      '',
      '5, 5',
      ' 5',
      '18446744073709551617',
    ])
    return refused(post(dice, `content-length: ${other}\r\n`))
  },
  'odd length': (dice) =>
    refused(
      post(
        dice,
        `content-length: ${dice.pick(['+5', '-1', '0x10', '1e2', '5, 5', '1_0', '18446744073709551617', '99999999999999999999999', 'NaN', '5;', '５'])}\r\n`,
        '{}',
        false,
      ),
    ),
  'folded line': (dice) =>
    refused(post(dice, `x-a: b\r\n${dice.pick([' ', '\t'])}${te}chunked\r\n`)),
  'bare line feed': (dice) => {
    const good = post(dice, 'x-a: b\r\n')
    const end = good.indexOf('\r\n\r\n')
    const head = good.slice(0, end + 4)
    return refused(
      dice.chance(0.5)
        ? head.replaceAll('\r\n', '\n') + good.slice(end + 4)
        : head.replace('x-a: b\r\n', 'x-a: b\n') + good.slice(end + 4),
    )
  },
  'bare carriage return': (dice) => refused(post(dice, `x-a: b\r${te}chunked\r\n`)),
  'space before colon': (dice) =>
    refused(
      post(
        dice,
        `${dice.pick(['transfer-encoding', 'content-length', 'x'])}${dice.pick([' ', '\t', '\v', '\0'])}: chunked\r\n`,
      ),
    ),
  'odd header': (dice) =>
    refused(
      post(
        dice,
        `${dice.pick([': x', 'no colon', '\0: x', 'a\0b: x', 'x: a\0b', '(x): y', 'x y: z', 'é: x', '[]: x', 'x: \u0001'])}\r\n`,
      ),
    ),
  'header with other bytes': (dice) =>
    either(
      post(
        dice,
        `x-a: ${dice.pick(['\xff\xfe', '\x80', '\t', '%0d%0a', '\xe5\x98\x8a\xe5\x98\x8dx: y'])}\r\n`,
      ),
    ),
  'many headers': (dice) => {
    const count = dice.pick([150, 250, 1000, 3000])
    return count < 200
      ? either(post(dice, 'a: 1\r\n'.repeat(count)))
      : refused(post(dice, 'a: 1\r\n'.repeat(count)))
  },
  'long header': (dice) =>
    refused(post(dice, `x: ${'y'.repeat(dice.pick([16_400, 40_000, 100_000]))}\r\n`)),
  'long line': (dice) =>
    refused(`GET /${'a'.repeat(dice.pick([17_000, 70_000]))} HTTP/1.1\r\n${host}${auth}\r\n`),
  hosts: (dice) =>
    refused(
      `GET /v1/models HTTP/1.1\r\n${dice.pick(['', `${host}host: b\r\n`, `${host}HOST: gateway\r\n`])}${auth}\r\n`,
    ),
  chunks: (dice) => {
    const body = goodBody('/v1/chat/completions')
    return either(
      `POST /v1/chat/completions HTTP/1.1\r\n${host}${auth}${json}${te}${dice.pick(['chunked', 'Chunked', ' chunked '])}\r\n\r\n${chunked(body, 1 + dice.roll(60), dice.chance(0.5) ? (bytes) => `000${bytes.toString(16).toUpperCase()}` : undefined)}`,
    )
  },
  'chunk extensions': (dice) =>
    either(
      `POST /v1/chat/completions HTTP/1.1\r\n${host}${auth}${json}${te}chunked\r\n\r\n${chunked(goodBody('/v1/chat/completions'), 50, (bytes) => `${bytes.toString(16)};${dice.pick(['a', 'a=b', 'a="b"', `a=${'x'.repeat(20_000)}`, ' a', 'a=\0', '\u000b'])}`)}`,
    ),
  'odd chunks': (dice) => {
    const line = dice.pick([
      'ffffffffffffffff',
      '10000000000000000',
      '-1',
      '0x5',
      '+5',
      ' 5',
      '5 ',
      '5\t',
      'g',
      '',
      '5\n',
      '5;\n',
      '99999999',
    ])
    return refused(
      `POST /v1/chat/completions HTTP/1.1\r\n${host}${auth}${json}${te}chunked\r\n\r\n${line}\r\n{"a":1}\r\n0\r\n\r\n`,
    )
  },
  trailers: (dice) =>
    either(
      `POST /v1/chat/completions HTTP/1.1\r\n${host}${auth}${json}${te}chunked\r\n\r\n${chunked(goodBody('/v1/chat/completions'), 500).slice(0, -2)}${dice.pick(['x: y', 'content-length: 5', 'host: other', `authorization: Bearer x`, `x: ${'y'.repeat(20_000)}`])}\r\n\r\n`,
    ),
  method: (dice) => {
    const method = dice.pick([
      'PUT',
      'PATCH',
      'DELETE',
      'OPTIONS',
      'TRACE',
      'CONNECT',
      'PROPFIND',
      'QUERY',
      'M-SEARCH',
      'PURGE',
      'SOURCE',
      'BREW',
      'get',
      'G\tT',
      ' GET',
      '',
      'GETT',
      'POST\0',
    ])
    return refused(
      `${method} ${dice.pick(['/v1/chat/completions', '/v1/models', '*', 'x:1'])} HTTP/1.1\r\n${host}${auth}\r\n`,
    )
  },
  version: (dice) => {
    const version = dice.pick([
      'HTTP/0.9',
      'HTTP/2.0',
      'HTTP/1.2',
      'HTTP/3',
      'HTTP/1',
      'http/1.1',
      'HTTP/1.1 x',
      'HTTP/01.1',
      'ICE/1.0',
      'RTSP/1.0',
      '',
    ])
    return refused(`GET /v1/nothing ${version}\r\n${host}${auth}\r\n`)
  },
  'HTTP/1.0': (dice) =>
    either(
      post(dice, dice.pick(['', 'connection: keep-alive\r\n', `${te}chunked\r\n`])).replace(
        'HTTP/1.1',
        'HTTP/1.0',
      ),
    ),
  'HTTP/2': (dice) =>
    refused(
      dice.pick([
        'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
        `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u0004\0\0\0\0\0`,
        '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03',
        '\0\0\0\0',
        'SSH-2.0-x\r\n',
      ]),
    ),
  path: (dice) => {
    const path = dice.pick(paths)
    const odd = dice.pick([
      `/${path}`,
      path.replace('/v1', '/v1/'),
      `${path}/`,
      `${path};a=b`,
      `${path}%00`,
      `${path}%20`,
      path.replace('/v1/', '/v1%2F'),
      path.replace('v', '%5c'),
      `/v1/../v1/x`,
      `/./v1/x`,
      `${path}/..`,
      path.toUpperCase(),
      `${path}\\`,
      `${path}#x`,
      `/v1/models/%2e%2e/%2e%2e/metrics`,
      '/metrics',
      '/v1/load_lora_adapter',
      '/v1/chat',
      '/sleep',
      '/%',
      '/%zz',
      '/ÿ',
      '',
      '//',
      '?',
      '/v1/models/a/../../x',
      'http://other/v1/x',
      'http://',
      'http://gateway:99999999/v1/x',
      'gateway/v1/models',
      '/..;/metrics',
    ])
    return refused(
      `${dice.pick(['POST', 'GET'])} ${odd} HTTP/1.1\r\n${host}${auth}${json}content-length: 2\r\n\r\n{}`,
    )
  },
  query: (dice) =>
    either(
      goodRequest().replace(
        ' HTTP/1.1',
        `?${dice.pick(['', 'a=b', '__proto__=1', '%', 'a[]=1&a[]=2', 'x'.repeat(3000)])} HTTP/1.1`,
      ),
    ),
  'model name': (dice) =>
    refused(
      `GET /v1/models/${dice.pick(['%00', '%ff', 'a'.repeat(9000), '..', '%2e%2e%2f', '__proto__', 'constructor', '%F0%9F%98%80', '%c0%af', '*', 'a%0d%0ab'])} HTTP/1.1\r\n${host}${auth}\r\n`,
    ),
  'content type': (dice) => {
    const type = dice.pick([
      '',
      'text/plain',
      'application/xml',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'application/jsonx',
      'json',
      ';',
      'application',
      '\xff',
      'application/json-seq',
      '*/*',
      'application/json\0',
    ])
    return refused(post(dice, '').replace(json, `content-type: ${type}\r\n`))
  },
  'json type': (dice) => {
    const type = dice.pick([
      'application/json; charset=utf-16',
      'APPLICATION/JSON',
      'application/json;',
      'application/json; a="b;c"',
      'application/json, text/plain',
      'application/json;;;',
    ])
    return either(post(dice, '').replace(json, `content-type: ${type}\r\n`))
  },
  'content encoding': (dice) =>
    refused(
      post(
        dice,
        `content-encoding: ${dice.pick(['gzip', 'br', 'deflate', 'x', 'identity, gzip', 'GZIP', 'zstd'])}\r\n`,
      ),
    ),
  key: (dice) => {
    const shown = dice.pick([
      '',
      'authorization: \r\n',
      'authorization: Bearer\r\n',
      'authorization: Bearer x\r\n',
      `authorization: Basic ${key}\r\n`,
      `authorization: Bearer ${key}x\r\n`,
      `authorization: Bearer ${key.slice(0, -1)}\r\n`,
      `x-api-key: ${key} ${key}\r\n`,
      `authorization: Bearer ${'k'.repeat(9000)}\r\n`,
      'authorization: Bearer \xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\r\n',
    ])
    return refused(post(dice, '').replace(auth, shown))
  },
  expectation: (dice) =>
    either(post(dice, `expect: ${dice.pick(['100-continue', 'x', '100-Continue, x', ''])}\r\n`)),
  connection: (dice) =>
    either(
      post(
        dice,
        `connection: ${dice.pick(['close', 'upgrade\r\nupgrade: h2c', 'keep-alive, x', 'content-length', 'host, authorization', 'upgrade\r\nupgrade: websocket'])}\r\n`,
      ),
    ),
  'timeout header': (dice) =>
    either(
      post(
        dice,
        `x-stainless-timeout: ${dice.pick(['NaN', '-1', '1e999', '1e-9', '0', 'x', '9'.repeat(400)])}\r\n`,
      ),
    ),
  'short body': (dice) => refused(post(dice, '').slice(0, -1 - dice.roll(10))),
  'long body': (dice) =>
    either(`${ofBase(goodRequest())}${dice.pick(['x', '\r\n', '\r\n\r\nGET', '{}', '\0'])}`),
  'too large': (dice) =>
    refused(
      post(
        dice,
        `content-length: ${dice.pick(['4194305', '99999999', '9007199254740993'])}\r\n`,
        '{}',
        false,
      ),
    ),
  noise: (dice) =>
    refused(
      Array.from({ length: 1 + dice.roll(200) }, () =>
        String.fromCharCode(1 + dice.roll(255)),
      ).join(''),
    ),
  pipeline: (dice) =>
    either(
      Array.from({ length: 2 + dice.roll(20) }, () =>
        dice.chance(0.7) ? goodRequest() : `GET /v1/models/x HTTP/1.1\r\n${host}${auth}\r\n`,
      ).join(''),
    ),
  'pipeline that breaks': (dice) =>
    either(
      ofBase(goodRequest()).repeat(1 + dice.roll(4)) +
        dice.pick(['\0', 'GET', 'x y z\r\n\r\n', 'POST / HTTP/1.1\r\nhost: a\r\n a\r\n\r\n']),
    ),
  'early close': (dice) => {
    const stream = dice.chance(0.5) ? ',"stream":true' : ''
    const body = ofBase(goodBody('/v1/chat/completions')).replace(/\}$/, `${stream}}`)
    const text = goodRequest('/v1/chat/completions', body)
    return {
      bytes: Buffer.from(text),
      refused: false,
      leave: dice.chance(0.5) ? -dice.roll(text.length) : dice.roll(300),
    }
  },
} as const satisfies Record<string, (dice: Dice) => Made>

const kinds = Object.keys(cases) as (keyof typeof cases)[]

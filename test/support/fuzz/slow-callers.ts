import { connect } from 'node:net'
import { goodRequest } from './good-request.ts'

export interface SlowEnd {
  /** From the connection to its end, milliseconds. */
  readonly ms: number
  /** Everything that came back. */
  readonly text: string
}

/** Dawdles over its headers: one more every `everyMs`, without an end. */
export function slowHeaders(port: number, everyMs: number): Promise<SlowEnd> {
  return dawdle(port, 'POST /v1/messages HTTP/1.1\r\nhost: gateway\r\n', 'x-a: b\r\n', everyMs)
}

/** Dawdles over its body: a byte every `everyMs`. */
export function slowBody(port: number, everyMs: number): Promise<SlowEnd> {
  const request = goodRequest('/v1/messages')
  return dawdle(port, `${request.slice(0, request.indexOf('\r\n\r\n'))}\r\n\r\n{`, ' ', everyMs)
}

/** Says nothing at all. */
export function silent(port: number): Promise<SlowEnd> {
  return dawdle(port, '', '', 60_000)
}

function dawdle(port: number, first: string, more: string, everyMs: number): Promise<SlowEnd> {
  return new Promise((resolve) => {
    const startedAt = performance.now()
    const socket = connect({ port, host: '127.0.0.1' })
    let text = ''
    if (first !== '') {
      socket.write(first)
    }
    const timer = setInterval(() => socket.write(more), everyMs)
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
    })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      clearInterval(timer)
      resolve({ ms: performance.now() - startedAt, text })
    })
  })
}

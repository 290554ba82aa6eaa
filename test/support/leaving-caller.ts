import { openRaw } from './http-caller.ts'

export interface Departure {
  readonly port: number
  /** The whole request, or its beginning. */
  readonly bytes: string
  /** Bytes of the answer after which the caller leaves; 0: as soon as its own are sent. */
  readonly enough: number
  readonly how: 'Reset' | 'Close' | 'HalfClose'
}

/** One caller that leaves, on a connection of its own. Resolves when that connection is gone. */
export function leaveAt({ port, bytes, enough, how }: Departure): Promise<void> {
  return new Promise((resolve) => {
    const socket = openRaw(port, bytes)
    let received = 0
    const leave = (): void => {
      switch (how) {
        case 'Reset':
          socket.resetAndDestroy()
          break
        case 'Close':
          socket.destroy()
          break
        case 'HalfClose':
          socket.end()
          break
        default:
          how satisfies never
      }
    }
    socket.on('data', (chunk: Buffer) => {
      received += chunk.length
      if (received >= enough) {
        leave()
      }
    })
    socket.on('connect', () => {
      if (enough === 0) {
        setImmediate(leave)
      }
    })
    socket.on('close', () => resolve())
  })
}

/** Everything that callers do when they leave, drawn at random: of a stream or of a whole answer, early or late. */
export function randomDeparture(
  port: number,
  requests: { readonly stream: string; readonly whole: string },
  random: () => number,
): Departure {
  const isWhole = random() < 0.25
  const bytes = isWhole ? requests.whole : requests.stream
  // Some leave in the middle of their own request, the others after so many bytes of the answer.
  const sent = random() < 0.2 ? Math.floor(random() * bytes.length) : bytes.length
  const enough = sent < bytes.length ? 0 : Math.floor(random() * (isWhole ? 500 : 4000))
  const how = (['Reset', 'Close', 'HalfClose'] as const)[Math.floor(random() * 3)] ?? 'Close'
  return { port, bytes: bytes.slice(0, sent), enough, how }
}

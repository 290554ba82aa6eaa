import type { IncomingMessage } from 'node:http'
import { LoraplexError } from '../errors.ts'

/** Bytes of a body with free ones before it, so that what is put in front needs no second copy of the whole. */
export interface RequestBody {
  readonly room: Buffer
  /** Where the body begins in `room`; it ends where `room` does. */
  readonly start: number
}

/** The fields that go in front are some 250 bytes long; a foreign engine's name for its base may be longer. */
const headroom = 512

/** A body of its own: `bytes` is copied. */
export function requestBodyOf(bytes: Buffer, free = headroom): RequestBody {
  const room = Buffer.allocUnsafe(free + bytes.length)
  bytes.copy(room, free)
  return { room, start: free }
}

/**
 * Reads a body into one buffer of the length that its header declares, or piece by piece where none does.
 * `done` gets a LoraplexError where it is too large or cut short.
 */
export function readRequestBody(
  message: IncomingMessage,
  limitBytes: number,
  done: (error: Error | null, body?: RequestBody) => void,
): void {
  const declared = Number(message.headers['content-length'] ?? Number.NaN)
  if (declared > limitBytes) {
    done(tooLarge())
    return
  }
  const room = Number.isNaN(declared) ? undefined : Buffer.allocUnsafe(headroom + declared)
  const pieces: Buffer[] = []
  let received = 0
  const stop = (): void => {
    message.off('data', onData)
    message.off('end', onEnd)
    message.off('error', onError)
  }
  const onData = (piece: Buffer): void => {
    if (room === undefined) {
      pieces.push(piece)
    } else {
      piece.copy(room, headroom + received)
    }
    received += piece.length
    if (received > limitBytes) {
      stop()
      done(tooLarge())
    }
  }
  const onEnd = (): void => {
    stop()
    // Node's parser sees to it that as many bytes came as were declared.
    done(
      null,
      room === undefined ? requestBodyOf(Buffer.concat(pieces)) : { room, start: headroom },
    )
  }
  const onError = (error: Error): void => {
    stop()
    done(new LoraplexError('invalid_request', 'The request body was cut short.', { cause: error }))
  }
  message.on('data', onData)
  message.on('end', onEnd)
  message.on('error', onError)
}

function tooLarge(): LoraplexError {
  return new LoraplexError('request_too_large', 'The request body is too large.')
}

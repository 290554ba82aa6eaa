import type { IncomingMessage } from 'node:http'
import { LoraplexError } from '../../errors.ts'
import type { BodyAllowance } from './arriving-bodies.ts'

/** Bytes of a body with free ones before it, so that what is put in front needs no second copy of the whole. */
export interface RequestBody {
  readonly room: Buffer
  /** Where the body begins in `room`; it ends where `room` does. */
  readonly start: number
}

/** The fields that go in front are some 250 bytes long; a foreign engine's name for its base may be longer. */
const headroom = 512
/** So much is there before the first byte came; more only as bytes come, because a length is quickly declared. */
const firstBytes = 64 * 1024
/**
 * Chunks of a body, or what the network makes of it: each costs as much as a kilobyte. So many are fine, and one for each
 * so many bytes.
 */
const freePieces = 1024
const pieceBytes = 32
/** After so many the others have their turn: Node would hand out what two megabytes hold at once. */
const piecesAtOnce = 1024

export function bytesOf({ room, start }: RequestBody): Buffer {
  return room.subarray(start)
}

/** A body of its own: `bytes` is copied. */
export function requestBodyOf(bytes: Buffer, free = headroom): RequestBody {
  const room = Buffer.allocUnsafe(free + bytes.length)
  bytes.copy(room, free)
  return { room, start: free }
}

/**
 * Reads a body into one buffer that grows up to the length that its header declares, or to the limit where none does.
 * `done` gets a LoraplexError where it is too large or cut short, comes in too many pieces, or has no room.
 */
export function readRequestBody(
  message: IncomingMessage,
  limitBytes: number,
  allowance: BodyAllowance,
  done: (error: Error | null, body?: RequestBody) => void,
): void {
  const declared = Number(message.headers['content-length'] ?? limitBytes)
  if (declared > limitBytes) {
    done(tooLarge())
    return
  }
  let room: Buffer = Buffer.allocUnsafe(headroom + Math.min(declared, firstBytes))
  let end = headroom
  let pieces = 0
  const finish = (error: Error | null, body?: RequestBody): void => {
    message.off('data', onData)
    message.off('end', onEnd)
    message.off('error', onError)
    message.off('close', onClose)
    allowance.end()
    done(error, body)
  }
  const onData = (piece: Buffer): void => {
    pieces += 1
    const needed = end + piece.length
    if (needed - headroom > limitBytes) {
      finish(tooLarge())
      return
    }
    if (pieces > freePieces + (needed - headroom) / pieceBytes) {
      // The connection ends with the refusal, and nothing more of it is read until then.
      message.socket.pause()
      finish(new LoraplexError('invalid_request', 'The request body comes in too many pieces.'))
      return
    }
    if (pieces % piecesAtOnce === 0) {
      message.socket.pause()
      setImmediate(() => message.socket.resume())
    }
    const refusal = allowance.take(piece.length)
    if (refusal !== undefined) {
      finish(refusal)
      return
    }
    if (needed > room.length) {
      room = grown(room, end, Math.max(needed, Math.min(2 * room.length, headroom + declared)))
    }
    piece.copy(room, end)
    end = needed
  }
  const onEnd = (): void => {
    // Node's parser sees to it that as many bytes came as were declared.
    finish(null, { room: room.subarray(0, end), start: headroom })
  }
  const onError = (error: Error): void => {
    finish(
      new LoraplexError('invalid_request', 'The request body was cut short.', { cause: error }),
    )
  }
  const onClose = (): void => allowance.end()
  message.on('data', onData)
  message.on('end', onEnd)
  message.on('error', onError)
  message.on('close', onClose)
}

function grown(room: Buffer, end: number, sizeBytes: number): Buffer {
  const larger = Buffer.allocUnsafe(sizeBytes)
  room.copy(larger, headroom, headroom, end)
  return larger
}

function tooLarge(): LoraplexError {
  return new LoraplexError('request_too_large', 'The request body is too large.')
}

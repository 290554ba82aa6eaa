import type { FrameRewriter, StreamFault } from '../forms/frame-rewriter.ts'

/**
 * Turns the engine's event stream into the caller's, frame by frame; what becomes of a frame is its API's affair. Bytes
 * pass as latin1, so UTF-8 cut between two chunks stays whole.
 */
export class SseRewriter {
  readonly frames: FrameRewriter
  /** Of a frame that has no end yet; put together once, however many there are. */
  #pieces: string[] = []
  #pieceBytes = 0
  #tooLong: StreamFault | undefined
  readonly #maxFrameBytes: number

  constructor(frames: FrameRewriter, maxFrameBytes: number) {
    this.frames = frames
    this.#maxFrameBytes = maxFrameBytes
  }

  /** Once set, nothing more is rewritten. */
  get fault(): StreamFault | undefined {
    return this.frames.fault ?? this.#tooLong
  }

  /** Whole frames for the caller, as latin1 text; empty while a frame is incomplete. */
  push(chunk: Buffer): string {
    if (this.fault !== undefined) {
      return ''
    }
    const { frames } = this
    const text = this.#whole(chunk.toString('latin1'))
    let out = ''
    let start = 0
    for (;;) {
      const end = text.indexOf('\n\n', start)
      if (end === -1) {
        break
      }
      out += frames.rewrite(text.slice(start, end + 2))
      start = end + 2
      if (frames.fault !== undefined) {
        return out
      }
    }
    this.#keep(text.slice(start))
    return out
  }

  /** What there is of the frame with this text; nothing while its end is not in there. */
  #whole(text: string): string {
    const last = this.#pieces.at(-1)
    if (last === undefined) {
      return text
    }
    if (!text.includes('\n\n') && !(last.endsWith('\n') && text.startsWith('\n'))) {
      this.#keep(text)
      return ''
    }
    const whole = this.#pieces.join('') + text
    this.#pieces = []
    this.#pieceBytes = 0
    return whole
  }

  #keep(text: string): void {
    if (text === '') {
      return
    }
    this.#pieces.push(text)
    this.#pieceBytes += text.length
    if (this.#pieceBytes > this.#maxFrameBytes) {
      this.#tooLong = { fault: 'FrameTooLong' }
    }
  }
}

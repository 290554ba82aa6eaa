import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { performance } from 'node:perf_hooks'
import type { Recorder } from './recorder.ts'
import { ResponseReader } from './response-reader.ts'

export interface CallerOptions {
  readonly host: string
  readonly port: number
  readonly wantFrames: number | undefined
}

/** Every connection reads into this one; what a reader keeps, it copies. */
const arrivals = Buffer.alloc(256 * 1024)

/** One keep-alive connection with at most one request in flight; opens itself again when the server closes it. */
export class Caller {
  readonly #options: CallerOptions
  readonly #reader = new ResponseReader()
  #socket: Socket | undefined
  #recorder: Recorder | undefined
  #onEnd: (() => void) | undefined
  #sentAt = 0
  #lastFrameAt = 0

  constructor(options: CallerOptions) {
    this.#options = options
  }

  async connect(): Promise<void> {
    const { host, port } = this.#options
    // Past the stream machinery: half of what a read costs otherwise.
    const callback = (size: number): boolean => {
      this.#onData(arrivals.subarray(0, size))
      return true
    }
    const socket = connect({ host, port, noDelay: true, onread: { buffer: arrivals, callback } })
    await once(socket, 'connect')
    socket.on('error', (error) => this.#onGone(socket, error.message))
    socket.on('close', () => this.#onGone(socket, 'the connection was closed'))
    this.#socket = socket
  }

  /** Sends one whole request; `onEnd` is called once its answer, or its failure, is in `recorder`. */
  send(request: Buffer, recorder: Recorder, onEnd: () => void): void {
    this.#reader.reset()
    this.#recorder = recorder
    this.#onEnd = onEnd
    this.#sentAt = performance.now()
    this.#lastFrameAt = 0
    if (this.#socket === undefined) {
      void this.connect().then(
        () => this.#socket?.write(request),
        (error: unknown) => this.#finish(String(error)),
      )
    } else {
      this.#socket.write(request)
    }
  }

  close(): void {
    this.#onEnd = undefined
    this.#socket?.destroy()
  }

  #onData(bytes: Buffer): void {
    const recorder = this.#recorder
    if (recorder === undefined) {
      return
    }
    const hadBody = this.#reader.bodyBytes > 0
    const framesBefore = this.#reader.frames
    const isComplete = this.#reader.read(bytes)
    const now = performance.now()
    if (!hadBody && this.#reader.bodyBytes > 0) {
      recorder.firstByte.record(now - this.#sentAt)
    }
    if (this.#reader.frames > framesBefore) {
      if (this.#lastFrameAt > 0) {
        recorder.gap.record(now - this.#lastFrameAt)
      }
      this.#lastFrameAt = now
    }
    if (isComplete) {
      recorder.latency.record(now - this.#sentAt)
      recorder.frames += this.#reader.frames
      this.#finish(this.#fault(recorder))
    }
  }

  /** What is wrong with a complete answer, if anything. */
  #fault(recorder: Recorder): string | undefined {
    const { status, frames, tail } = this.#reader
    if (status !== 200) {
      return `status ${status}: ${tail}`
    }
    const { wantFrames } = this.#options
    if (wantFrames !== undefined && frames !== wantFrames) {
      return `${frames} frames instead of ${wantFrames}: …${tail.slice(-200)}`
    }
    const tokens = tail.lastIndexOf('"completion_tokens":')
    if (tokens >= 0) {
      recorder.completionTokens += Number.parseInt(tail.slice(tokens + 20), 10)
    }
    return undefined
  }

  #onGone(socket: Socket, why: string): void {
    if (socket !== this.#socket) {
      return // an old connection; a new one has taken its place
    }
    socket.destroy()
    this.#socket = undefined
    if (this.#recorder !== undefined) {
      this.#finish(why)
    }
  }

  #finish(fault: string | undefined): void {
    const recorder = this.#recorder
    const onEnd = this.#onEnd
    this.#recorder = undefined
    this.#onEnd = undefined
    if (recorder !== undefined) {
      recorder.requests++
      if (fault !== undefined) {
        recorder.fail(fault)
      }
    }
    if (this.#reader.closes) {
      this.#socket?.destroy()
      this.#socket = undefined
    }
    onEnd?.()
  }
}

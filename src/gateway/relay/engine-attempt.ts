import type { Dispatcher } from 'undici'
import { LoraplexError } from '../../errors.ts'
import type { EngineFate } from './engine-fate.ts'
import { classifyEngineRefusal } from './engine-refusal.ts'
import type { ReplicaView } from '../replica-view.ts'
import type { AnswerForm } from '../forms/answer-form.ts'
import {
  noTrail,
  type RewriteOptions,
  type StreamFault,
  type StreamTrail,
} from '../forms/frame-rewriter.ts'
import type { Pace } from './pace.ts'
import { SseRewriter } from './sse-rewriter.ts'
import { parseUsage, usageOfBroken, type Usage } from './usage.ts'
import { rewriteWholeAnswer } from './whole-answer.ts'

export interface AttemptOptions extends RewriteOptions {
  readonly form: AnswerForm
  readonly servedModelName: string
  readonly stream: boolean
  /** Choices of each prompt. */
  readonly choicesEach: number
  readonly now: () => number
}

/** The request that an attempt is for: what it hears of it. */
export interface AttemptOwner {
  /** Whole frames for the caller. False: stop reading from the engine until `EngineAttempt.resume`. */
  writeFrames(text: string): boolean
  endStream(usage: Usage | undefined): void
  /** A whole answer. */
  answer(text: string, usage: Usage | undefined): void
  fail(error: LoraplexError): void
  /** How fast its stream is written, where anybody wants to know. */
  pace(attempt: EngineAttempt): Pace | undefined
  /** It came to nothing; where the caller has had no byte yet, another engine may be tried. */
  attemptLost(error: LoraplexError, fate: EngineFate): void
}

/** An answer that is not streamed is held whole, to judge it before the caller sees a byte. */
const maxAnswerBytes = 32 * 1024 * 1024
const maxRefusalBytes = 64 * 1024

/** One try of one request on one engine process: undici's handler, and what its events mean for its owner. */
export class EngineAttempt implements Dispatcher.DispatchHandler {
  readonly #owner: AttemptOwner
  readonly #options: AttemptOptions
  #controller: Dispatcher.DispatchController | undefined
  #rewriter: SseRewriter | undefined
  #collected: Buffer[] = []
  #collectedBytes = 0
  #status = 0
  #over = false
  #lastDataAt: number
  #pace: Pace | undefined

  constructor(owner: AttemptOwner, options: AttemptOptions) {
    this.#owner = owner
    this.#options = options
    this.#lastDataAt = options.now()
  }

  get lastDataAt(): number {
    return this.#lastDataAt
  }

  dispatch(view: ReplicaView, path: string, body: Buffer): void {
    const { connections, requestHeaders: headers } = view
    if (connections === undefined) {
      this.#lost('The engine went away.', 'Unknown')
      return
    }
    connections.dispatch({ method: 'POST', path, headers, body }, this)
  }

  /** Nobody is interested any more: the connection is torn down, which makes the engine stop generating. */
  abandon(): void {
    if (!this.#over) {
      this.#over = true
      this.#controller?.abort(abandoned)
    }
  }

  resume(): void {
    // The time in which nobody read is not the engine's silence.
    this.#lastDataAt = this.#options.now()
    this.#pace?.interrupt()
    this.#controller?.resume()
  }

  /** Usage of an answer that is cut short. */
  usageSoFar(): Usage | undefined {
    const frames = this.#rewriter?.frames
    return frames === undefined ? undefined : usageOfBroken(frames, this.#options.choicesEach)
  }

  /** What the caller has seen of the stream. */
  get trail(): StreamTrail {
    return this.#rewriter?.frames.trail ?? noTrail
  }

  /** Of the answer, at least. */
  get tokensSoFar(): number {
    return this.usageSoFar()?.completionTokens ?? 0
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#over) {
      controller.abort(abandoned)
    }
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    this.#status = status
    this.#lastDataAt = this.#options.now()
    const type = headers['content-type']
    const { form, stream } = this.#options
    if (
      status === 200 &&
      stream &&
      form.stream !== undefined &&
      typeof type === 'string' &&
      type.startsWith('text/event-stream')
    ) {
      const { maxFrameBytes } = form.stream
      this.#rewriter = new SseRewriter(form.stream.rewriter(this.#options), maxFrameBytes)
      this.#pace = this.#owner.pace(this)
    }
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#over) {
      return
    }
    this.#lastDataAt = this.#options.now()
    const rewriter = this.#rewriter
    if (rewriter === undefined) {
      this.#collect(chunk)
      return
    }
    const text = rewriter.push(chunk)
    this.#pace?.chunk(this.#lastDataAt)
    if (text !== '' && !this.#owner.writeFrames(text)) {
      controller.pause()
    }
    if (rewriter.fault !== undefined) {
      this.#onFault(rewriter.fault)
    } else if (rewriter.frames.done) {
      // Whatever becomes of the connection now, the answer is whole.
      this.#over = true
      this.#owner.endStream(parseUsage(rewriter.frames.usage, false))
      controller.resume()
    }
  }

  onResponseEnd(): void {
    if (this.#over) {
      return
    }
    const rewriter = this.#rewriter
    if (rewriter === undefined) {
      this.#onWhole(Buffer.concat(this.#collected))
    } else {
      this.#lost('The engine ended the answer before its end.', 'Unknown')
    }
  }

  onResponseError(_controller: Dispatcher.DispatchController, _error: Error): void {
    this.#lost('The engine stopped while it was answering.', 'Unknown')
  }

  #collect(chunk: Buffer): void {
    this.#collectedBytes += chunk.length
    if (this.#collectedBytes > (this.#status === 200 ? maxAnswerBytes : maxRefusalBytes)) {
      this.#lost('The engine answered too much.', 'Lives')
      return
    }
    this.#collected.push(chunk)
  }

  #onWhole(body: Buffer): void {
    if (this.#status !== 200) {
      this.#onRefusal(this.#status, body.toString('utf8'))
      return
    }
    const answer = rewriteWholeAnswer(body.toString('latin1'), this.#options.form, this.#options)
    if (answer.kind === 'WrongModel' || this.#options.stream) {
      // I1: an answer of another model, or of another kind, is not this request's.
      this.#lost('The engine gave an answer that is not to this request.', 'Lives')
    } else if (answer.kind === 'Aborted') {
      this.#lost('The engine aborted the request.', 'Dying')
    } else {
      this.#over = true
      this.#owner.answer(answer.text, answer.usage)
    }
  }

  #onFault(fault: StreamFault): void {
    switch (fault.fault) {
      case 'EngineError':
        this.#onEngineError(fault.body)
        break
      case 'WrongModel':
        this.#lost('The engine gave an answer that is not to this request.', 'Lives')
        break
      case 'FrameTooLong':
        this.#lost('The engine sent a frame that is too long.', 'Lives')
        break
      case 'Aborted':
        this.#lost('The engine aborted the request.', 'Dying')
        break
      default:
        fault satisfies never
    }
  }

  /** vLLM says some refusals inside a 200: before the first byte they become real ones. */
  #onEngineError(body: string): void {
    const status = /"code":\s*(\d{3})\b/.exec(body)?.[1]
    this.#onRefusal(status === undefined ? 500 : Number(status), body)
  }

  #onRefusal(status: number, body: string): void {
    const { engineModel, callerModel, servedModelName } = this.#options
    const refusal = classifyEngineRefusal(status, body, [
      [engineModel, callerModel],
      [servedModelName, 'the base model'],
    ])
    if (refusal.kind === 'Caller') {
      this.#end(() => this.#owner.fail(refusal.error))
    } else {
      this.#lostWith(refusal.error, refusal.kind === 'Dying' ? 'Dying' : 'Lives')
    }
  }

  #lost(message: string, fate: EngineFate): void {
    this.#lostWith(new LoraplexError('engine_failed', message), fate)
  }

  #lostWith(error: LoraplexError, fate: EngineFate): void {
    this.#end(() => this.#owner.attemptLost(error, fate))
  }

  /** Tears the connection down where it is still up, then tells its owner; only the first end counts. */
  #end(tell: () => void): void {
    if (this.#over) {
      return
    }
    this.#over = true
    this.#controller?.abort(abandoned)
    tell()
  }
}

const abandoned = new LoraplexError('engine_failed', 'abandoned')

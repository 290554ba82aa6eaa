import type { Dispatcher } from 'undici'
import { LoraplexError } from '../errors.ts'
import type { EngineFate } from './engine-fate.ts'
import { classifyEngineRefusal } from './engine-refusal.ts'
import type { Exchange } from './exchange.ts'
import type { ReplicaView } from './replica-view.ts'
import { latin1Json } from './latin1-json.ts'
import { endOfObject, SseRewriter, type StreamFault } from './sse-rewriter.ts'
import { parseUsage, type Usage } from './usage.ts'

export interface AttemptOptions {
  /** The name the engine must answer with (I1). */
  readonly engineModel: string
  readonly callerModel: string
  readonly servedModelName: string
  readonly fingerprint: string
  readonly includeUsage: boolean
  readonly continuousUsage: boolean
  readonly stream: boolean
  readonly now: () => number
}

/** An answer that is not streamed is held whole, to judge it before the caller sees a byte. */
const maxAnswerBytes = 32 * 1024 * 1024
const maxRefusalBytes = 64 * 1024

/** One try of one request on one engine process: undici's handler, and what its events mean for the exchange. */
export class EngineAttempt implements Dispatcher.DispatchHandler {
  readonly #exchange: Exchange
  readonly #options: AttemptOptions
  #controller: Dispatcher.DispatchController | undefined
  #rewriter: SseRewriter | undefined
  #collected: Buffer[] = []
  #collectedBytes = 0
  #status = 0
  #over = false
  #usage: Usage | undefined
  #lastDataAt: number

  constructor(exchange: Exchange, options: AttemptOptions) {
    this.#exchange = exchange
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
    this.#controller?.resume()
  }

  /** Usage of an answer that is cut short; the engine counts on every frame. */
  usageSoFar(): Usage | undefined {
    return (
      this.#usage ??
      (this.#rewriter === undefined ? undefined : parseUsage(this.#rewriter.usage, true))
    )
  }

  /** Of a stream, at least: a frame holds one or more. */
  get tokensSoFar(): number {
    return this.#rewriter?.frames ?? 0
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
    if (
      status === 200 &&
      this.#options.stream &&
      typeof type === 'string' &&
      type.startsWith('text/event-stream')
    ) {
      this.#rewriter = new SseRewriter(this.#options)
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
    if (text !== '' && !this.#exchange.writeFrames(text)) {
      controller.pause()
    }
    if (rewriter.fault !== undefined) {
      this.#onFault(rewriter.fault)
    } else if (rewriter.done) {
      // Whatever becomes of the connection now, the answer is whole.
      this.#over = true
      this.#exchange.endStream(parseUsage(rewriter.usage, false))
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
    const text = body.toString('latin1')
    const needle = `"model":${latin1Json(this.#options.engineModel)}`
    const at = text.indexOf(needle)
    if (at === -1 || this.#options.stream) {
      // I1: an answer of another model, or of another kind, is not this request's.
      this.#lost('The engine gave an answer that is not to this request.', 'Lives')
      return
    }
    if (text.includes('"finish_reason":"abort"')) {
      this.#lost('The engine aborted the request.', 'Dying')
      return
    }
    const named = `"model":"${this.#options.callerModel}","system_fingerprint":"${this.#options.fingerprint}"`
    const rest = text
      .slice(at + needle.length)
      .replace(/,"system_fingerprint":(?:null|"[^"\\]*")/, '')
    const usageAt = rest.lastIndexOf(',"usage":{')
    const usage =
      usageAt === -1
        ? undefined
        : parseUsage(rest.slice(usageAt + 9, endOfObject(rest, usageAt + 9)), false)
    this.#over = true
    this.#exchange.answer(text.slice(0, at) + named + rest, usage)
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
      this.#end(() => this.#exchange.fail(refusal.error))
    } else {
      this.#lostWith(refusal.error, refusal.kind === 'Dying' ? 'Dying' : 'Lives')
    }
  }

  #lost(message: string, fate: EngineFate): void {
    this.#lostWith(new LoraplexError('engine_failed', message), fate)
  }

  #lostWith(error: LoraplexError, fate: EngineFate): void {
    this.#end(() => {
      if (this.#exchange.isPristine) {
        this.#exchange.attemptLost(error, fate)
      } else {
        this.#exchange.fail(error)
      }
    })
  }

  /** Tears the connection down where it is still up, then tells the exchange; only the first end counts. */
  #end(tell: () => void): void {
    if (this.#over) {
      return
    }
    this.#usage = this.usageSoFar()
    this.#over = true
    this.#controller?.abort(abandoned)
    tell()
  }
}

const abandoned = new LoraplexError('engine_failed', 'abandoned')

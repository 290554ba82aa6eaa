import type { ServerResponse } from 'node:http'
import { nowhere } from '../../core/bag.ts'
import type { Caller, RouteTarget } from '../../core/resolve.ts'
import type { PromptPrefix } from '../../core/prefix-affinity.ts'
import { engineNameOf, fingerprintOf } from '../../api/names.ts'
import { LoraplexError, type ErrorCode } from '../../errors.ts'
import { asRefusal } from '../as-refusal.ts'
import type { PoolAdmission } from '../admission/admission.ts'
import type { Arrivals } from '../admission/arrivals.ts'
import type { EngineFate } from './engine-fate.ts'
import { EngineAttempt } from './engine-attempt.ts'
import { ExchangeTicket } from './exchange-ticket.ts'
import { errorBody, errorHeaders } from '../error-body.ts'
import { noTrail } from '../forms/frame-rewriter.ts'
import type { InferenceRequest } from '../request/inference-request.ts'
import type { Charge } from '../metering/charge.ts'
import type { Patience } from '../admission/patience.ts'
import type { ReplicaView } from '../replica-view.ts'
import { Pace } from './pace.ts'
import { requestIdHeaders } from '../request-id-headers.ts'
import type { RetryBudget } from '../admission/retry-budget.ts'
import { StreamBody } from './stream-body.ts'
import type { Suspicion } from '../quarantine/suspicion.ts'
import type { Usage } from './usage.ts'

/** How an exchange ended; what metrics are made of. */
export interface ExchangeOutcome {
  readonly code: ErrorCode | 'ok' | 'client_closed'
  readonly usage: Usage | undefined
  /** Milliseconds from arrival to the first byte to the caller; undefined when there was none. */
  readonly firstByteMs: number | undefined
  readonly durationMs: number
  readonly streamed: boolean
  readonly attempts: number
}

export interface ExchangeLimits {
  /** A caller that accepts nothing for so long is cut off. */
  readonly slowReaderMs: number
  /** Streams are told after so long without a word that we are still there. */
  readonly keepAliveMs: number
  /** Silence of the engine inside a stream. */
  readonly engineSilenceMs: number
}

export interface ExchangeContext {
  readonly id: string
  readonly request: InferenceRequest
  readonly caller: Caller
  readonly target: RouteTarget
  /** What it takes of limits and budgets. */
  readonly charge: Charge
  readonly cacheSalt: string
  /** Of its prompt: where it may be in a cache already. */
  readonly prefix: PromptPrefix | undefined
  readonly patience: Patience
  readonly admission: PoolAdmission
  readonly retries: RetryBudget
  readonly arrivals: Arrivals
  /** Whether it may be what kills engines. */
  readonly suspicion: Suspicion
  readonly limits: ExchangeLimits
  readonly now: () => number
  /** The gateway is about to stop: callers do better on another connection. */
  readonly isLeaving: () => boolean
  readonly onEnd: (exchange: Exchange, outcome: ExchangeOutcome) => void
}

/** I10: one further attempt, never on the same engine process. */
const maxAttempts = 2

/** One request from its admission to its last byte: waiting, attempts, the answer, and whatever ends it early. */
export class Exchange {
  readonly context: ExchangeContext
  /** Among the gateway's. */
  seat = nowhere
  readonly #response: ServerResponse
  readonly #body: StreamBody
  readonly #ticket: ExchangeTicket
  readonly #startedAt: number
  #state: 'Waiting' | 'AtEngine' | 'Ended' = 'Waiting'
  #attempt: EngineAttempt | undefined
  #view: ReplicaView | undefined
  /** Of the attempt: when it is lost, the view may know of the next one already. */
  #engineProcess = ''
  #attempts = 0
  /** When an engine got it for the first time: only from then on it is a stream that may not last too long. */
  #sentAt: number | undefined
  #firstByteAt: number | undefined
  #lastWriteAt: number
  #blockedSince: number | undefined

  constructor(context: ExchangeContext, response: ServerResponse) {
    this.context = context
    this.#response = response
    this.#body = new StreamBody(response)
    this.#startedAt = context.now()
    this.#lastWriteAt = this.#startedAt
    this.#ticket = new ExchangeTicket(
      context,
      this.#startedAt,
      (view) => this.#send(view),
      (error) => this.fail(error),
    )
    response.on('close', () => this.#onClientClosed())
  }

  get id(): string {
    return this.context.id
  }

  start(): void {
    const { refusal } = this.context.suspicion
    if (refusal === undefined) {
      this.#seekPlace()
    } else {
      this.fail(refusal)
    }
  }

  /** I5: nothing waits for an engine without a hold on what it may use there. What gets none is no demand, either. */
  #seekPlace(): void {
    const { admission, arrivals, charge, target } = this.context
    const submit = (): void => {
      if (this.#state === 'Waiting') {
        if (this.#attempts === 0) {
          arrivals.note(target.revision)
        }
        admission.submit(this.#ticket)
      }
    }
    const held = charge.permit()
    if (held === undefined) {
      submit()
    } else {
      held.then(submit, (error: unknown) => this.fail(asRefusal(error)))
    }
  }

  /** Nothing but perhaps keep-alive comments has gone to the caller: another attempt would not be noticed. */
  get isPristine(): boolean {
    return this.#firstByteAt === undefined
  }

  /** Called about once a second: everything that depends on time, without a timer per request. */
  sweep(now: number): void {
    const { limits, request, target, suspicion, charge, admission } = this.context
    if (this.#state === 'Ended') {
      return
    }
    suspicion.proceeded(now, !this.isPristine)
    if (this.#state === 'Waiting' && suspicion.refusal !== undefined) {
      this.fail(suspicion.refusal)
      return
    }
    charge.sweep()
    if (this.#view !== undefined && this.#attempt !== undefined) {
      admission.progress(this.#ticket, this.#view, this.#attempt.tokensSoFar)
    }
    const lastsMs = this.#sentAt === undefined ? 0 : now - this.#sentAt
    if (lastsMs > target.pool.spec.maxStreamSeconds * 1000) {
      this.fail(
        new LoraplexError(
          'engine_timeout',
          'The answer took longer than this pool lets a stream last.',
        ),
      )
    } else if (this.#blockedSince !== undefined && now - this.#blockedSince > limits.slowReaderMs) {
      // The socket, not the response: one that is queued behind another of the same connection has no socket yet.
      this.#response.req.socket.destroy()
    } else if (
      !this.isPristine &&
      this.#attempt !== undefined &&
      now - this.#attempt.lastDataAt > limits.engineSilenceMs &&
      request.stream
    ) {
      this.fail(new LoraplexError('engine_timeout', 'The engine fell silent.'))
    } else if (
      request.stream &&
      now - this.#lastWriteAt > limits.keepAliveMs &&
      this.#blockedSince === undefined
    ) {
      this.#writeStreamHead()
      this.#writeText(request.endpoint.form.stream?.keepAlive ?? '')
    }
  }

  /** One whole, rewritten answer of a request without streaming. */
  answer(text: string, usage: Usage | undefined): void {
    this.#noteFirstByte()
    this.#response.writeHead(200, {
      ...this.#commonHeaders(),
      'content-type': 'application/json; charset=utf-8',
      'content-length': text.length,
    })
    this.#response.end(text, 'latin1')
    this.#end('ok', usage)
  }

  /** Whole frames for the caller. False: stop reading from the engine until `EngineAttempt.resume`. */
  writeFrames(text: string): boolean {
    if (this.isPristine) {
      this.#noteFirstByte()
      this.#writeStreamHead()
    }
    return this.#writeText(text)
  }

  endStream(usage: Usage | undefined): void {
    this.#body.end('')
    this.#end('ok', usage)
  }

  /**
   * The attempt came to nothing before the caller saw a byte: once more elsewhere, or the error. Where the process lives on
   * there has to be another one; where it is gone, its successor is another one.
   */
  attemptLost(error: LoraplexError, fate: EngineFate): void {
    const { admission, retries, suspicion, now } = this.context
    const tokens = this.#attempt?.tokensSoFar ?? 0
    const isGrave =
      this.#view !== undefined && suspicion.lost(this.#view, this.#engineProcess, fate, tokens)
    if (!this.isPristine) {
      this.fail(error)
      return
    }
    this.#leaveEngine(undefined)
    this.#ticket.tried.add(this.#engineProcess)
    this.context.charge.settle(undefined, 'Failed')
    if (isGrave) {
      this.#state = 'Waiting'
      suspicion.onVerdict(fate, () => this.fail(suspicion.refusal ?? error))
      return
    }
    const isHopeless = fate === 'Lives' && !admission.hasUntried(this.#ticket)
    if (this.#attempts >= maxAttempts || isHopeless || !retries.take()) {
      this.fail(error)
      return
    }
    this.#state = 'Waiting'
    this.#ticket.lost = { error, fate, at: now() }
    this.#seekPlace()
  }

  /** Several choices are written at once, and nobody knows how far each is. */
  pace(attempt: EngineAttempt): Pace | undefined {
    const view = this.#view
    return view === undefined || this.context.request.measure.answers > 1
      ? undefined
      : new Pace(this.context.admission.paceOf(this.#ticket, view, () => attempt.tokensSoFar))
  }

  /** Ends with a refusal: a status where none was sent yet, else what ends a stream of this API badly. */
  fail(error: LoraplexError): void {
    if (this.#state === 'Ended') {
      return
    }
    this.context.admission.withdraw(this.#ticket)
    const { id, request } = this.context
    const { dialect, form } = request.endpoint
    const partial = this.#attempt?.usageSoFar()
    const trail = this.#attempt?.trail ?? noTrail
    this.#leaveEngine(partial)
    if (this.#response.headersSent) {
      const frames = form.stream?.ending(error, id, trail) ?? ''
      this.#body.end(Buffer.from(frames).toString('latin1'))
    } else {
      const body = Buffer.from(errorBody(error, dialect, id))
      this.#response.writeHead(error.row.status, {
        ...this.#commonHeaders(),
        ...errorHeaders(error),
        'content-length': body.length,
      })
      this.#response.end(body)
    }
    this.#end(error.code, partial)
  }

  #send(view: ReplicaView): void {
    const { request, target, cacheSalt, charge, suspicion } = this.context
    const engineModel =
      target.revision === undefined ? view.replica.servedModelName : engineNameOf(target.revision)
    this.#view = view
    if (suspicion.refusal !== undefined) {
      // It killed its second engine elsewhere while it waited.
      this.fail(suspicion.refusal)
      return
    }
    suspicion.began(view)
    this.#state = 'AtEngine'
    this.#engineProcess = view.engineProcess
    this.#attempts += 1
    this.#sentAt ??= this.context.now()
    this.#attempt = new EngineAttempt(this, {
      engineModel,
      callerModel: target.name,
      servedModelName: view.replica.servedModelName,
      fingerprint: fingerprintOf(target.revision ?? view.baseRevision, view.simulated),
      includeUsage: request.includeUsage,
      continuousUsage: request.continuousUsage,
      stream: request.stream,
      choicesEach: request.measure.choicesEach,
      form: request.endpoint.form,
      now: this.context.now,
    })
    charge.began(view.inFlight, () => this.#attempt?.usageSoFar())
    const body = request.build(engineModel, cacheSalt, charge.outputCap)
    this.#attempt.dispatch(view, request.endpoint.path, body)
  }

  #leaveEngine(usage: Usage | undefined): void {
    const view = this.#view
    const attempt = this.#attempt
    this.#view = undefined
    this.#attempt = undefined
    attempt?.abandon()
    this.context.suspicion.left()
    if (view !== undefined) {
      const tokens =
        usage === undefined
          ? undefined
          : { input: usage.promptTokens, output: usage.completionTokens }
      this.context.admission.release(this.#ticket, view, tokens)
    }
  }

  #onClientClosed(): void {
    if (this.#state === 'Ended') {
      return
    }
    this.context.admission.withdraw(this.#ticket)
    const usage = this.#attempt?.usageSoFar()
    this.#leaveEngine(usage)
    this.#end('client_closed', usage)
  }

  #onDrain(): void {
    this.#blockedSince = undefined
    this.#lastWriteAt = this.context.now()
    this.#attempt?.resume()
  }

  #end(code: ExchangeOutcome['code'], usage: Usage | undefined): void {
    if (this.#state === 'Ended') {
      return
    }
    this.#leaveEngine(usage)
    this.#state = 'Ended'
    if (code === 'ok') {
      this.context.suspicion.cleared()
    }
    this.context.charge.settle(
      usage,
      code === 'ok' ? 'Answered' : code === 'client_closed' ? 'CallerLeft' : 'Failed',
    )
    this.context.onEnd(this, {
      code,
      usage,
      firstByteMs:
        this.#firstByteAt === undefined ? undefined : this.#firstByteAt - this.#startedAt,
      durationMs: this.context.now() - this.#startedAt,
      streamed: this.context.request.stream,
      attempts: this.#attempts,
    })
  }

  #noteFirstByte(): void {
    this.#firstByteAt = this.context.now()
    this.context.suspicion.proceeded(this.#firstByteAt, true)
    // A whole answer's first byte is its last, too.
    if (this.#view !== undefined && this.context.request.stream) {
      this.context.admission.begun(this.#ticket, this.#view)
    }
  }

  #writeStreamHead(): void {
    if (!this.#response.headersSent) {
      this.#body.begin(200, {
        ...this.#commonHeaders(),
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-cache',
        'x-accel-buffering': 'no',
      })
    }
  }

  #writeText(text: string): boolean {
    this.#lastWriteAt = this.context.now()
    if (this.#body.write(text)) {
      return true
    }
    if (this.#blockedSince === undefined) {
      this.#blockedSince = this.#lastWriteAt
      this.#response.once('drain', () => this.#onDrain())
    }
    return false
  }

  #commonHeaders(): Record<string, string> {
    const { id, request, charge, isLeaving } = this.context
    const headers = { ...requestIdHeaders(request.endpoint.dialect, id), ...charge.headers }
    if (request.ignoredFields.length > 0) {
      headers['x-loraplex-ignored-fields'] = request.ignoredFields.join(', ')
    }
    if (isLeaving()) {
      headers['connection'] = 'close'
    }
    return headers
  }
}

import type { ServerResponse } from 'node:http'
import type { SimulatedEngine } from '../engine.ts'
import type { Generation, GenerationListener, GenerationSpec } from '../generation.ts'
import type { AnswerShape, Finish } from './shape.ts'
import type { StreamFaults } from './stream-faults.ts'
import {
  badRequest,
  engineDead,
  sendError,
  sendJson,
  streamHeaders,
  type ErrorInfo,
} from './wire.ts'

export interface ExchangeOptions {
  readonly stream: boolean
  readonly faults: StreamFaults
  readonly onEnd: () => void
  /** How this API writes an error instead of an answer. */
  readonly sendError?: (response: ServerResponse, info: ErrorInfo) => void
}

/**
 * One request's generations on their way out, as a stream or whole. A client that goes away aborts them, so their slot
 * and KV are free at once.
 */
export class Exchange implements GenerationListener {
  readonly #response: ServerResponse
  readonly #engine: SimulatedEngine
  readonly #shape: AnswerShape
  readonly #options: ExchangeOptions
  readonly #generations: Generation[] = []
  readonly #finishes: Finish[] = []
  #open = 0
  #tokens = 0
  #isOpened = false
  #isEnded = false

  constructor(
    response: ServerResponse,
    engine: SimulatedEngine,
    shape: AnswerShape,
    options: ExchangeOptions,
  ) {
    this.#response = response
    this.#engine = engine
    this.#shape = shape
    this.#options = options
  }

  /** `specs` in the order of the answer's choices. */
  start(specs: readonly GenerationSpec[]): void {
    this.#response.on('close', () => this.#end())
    if (this.#options.faults.strike(this.#response, 0)) {
      return
    }
    if (this.#options.stream) {
      this.#response.writeHead(200, streamHeaders)
      this.#response.flushHeaders()
    }
    this.#open = specs.length
    this.#generations.push(...specs.map((spec) => this.#engine.prepare(spec, this)))
    this.#engine.submit(this.#generations)
  }

  token(generation: Generation, position: number, last: boolean): void {
    if (this.#isEnded) {
      return
    }
    this.#tokens += 1
    if (this.#tokens > 1 && this.#options.faults.strike(this.#response, this.#tokens - 1)) {
      this.#abort()
      return
    }
    const finish = last ? generation.finishReason : undefined
    if (this.#options.stream) {
      this.#writeToken(generation, position, finish)
    }
    if (finish !== undefined) {
      this.#close(generation, finish)
    }
  }

  cut(): void {
    if (!this.#isEnded) {
      this.#breakOff()
    }
  }

  #writeToken(generation: Generation, position: number, finish: Finish | undefined): void {
    const error = this.#options.faults.errorAt(this.#tokens - 1)
    if (error !== undefined) {
      this.#abort()
      this.#write(this.#shape.broken(error))
      this.#finish()
      return
    }
    const index = this.#generations.length === 1 ? 0 : this.#generations.indexOf(generation)
    const delta = generation.delta(position)
    const opening = this.#isOpened ? '' : this.#shape.opening(this.#generations)
    this.#isOpened = true
    this.#write(opening + this.#shape.chunk({ generation, index, position, delta, finish }))
  }

  #close(generation: Generation, finish: Finish): void {
    if (this.#isEnded) {
      return
    }
    this.#finishes[this.#generations.indexOf(generation)] = finish
    this.#open -= 1
    if (this.#open > 0) {
      return
    }
    if (this.#options.stream) {
      this.#write(this.#shape.closing(this.#generations))
      this.#finish()
    } else {
      this.#isEnded = true
      this.#options.faults.delayWhole(() => this.#sendWhole())
      this.#options.onEnd()
    }
  }

  #sendWhole(): void {
    const isWritable = this.#generations.every(
      (generation) => generation.spec.logprobs === undefined || generation.hasFiniteLogprobs,
    )
    if (isWritable) {
      sendJson(this.#response, 200, this.#shape.whole(this.#generations, this.#finishes))
    } else {
      this.#sendError(badRequest('Out of range float values are not JSON compliant').info)
    }
  }

  #breakOff(): void {
    if (this.#options.stream) {
      this.#write(this.#shape.broken(engineDead.message))
      this.#finish()
    } else {
      this.#sendError(engineDead)
      this.#end()
    }
  }

  #sendError(info: ErrorInfo): void {
    const write = this.#options.sendError ?? sendError
    write(this.#response, info)
  }

  #write(frames: string): void {
    // Not every token is shown, and an empty chunk would end the body.
    if (frames === '') {
      return
    }
    this.#options.faults.pace(this.#response, frames)
  }

  #finish(): void {
    this.#isEnded = true
    this.#options.faults.finish(this.#response)
    this.#options.onEnd()
  }

  #end(): void {
    if (!this.#isEnded) {
      this.#isEnded = true
      this.#abort()
      this.#options.onEnd()
    }
    this.#options.faults.close()
  }

  #abort(): void {
    for (const generation of this.#generations) {
      this.#engine.abort(generation)
    }
  }
}

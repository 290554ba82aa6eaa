import type { ServerResponse } from 'node:http'
import { Exchange } from './exchange.ts'
import type { Call, Context, Target } from './context.ts'
import type { GenerationSpec } from '../generation.ts'
import type { AnswerShape } from './shape.ts'
import { StreamFaults } from './stream-faults.ts'
import { engineDead, send, sendError, type ErrorInfo } from './wire.ts'

export interface GenerateOptions {
  readonly stream: boolean
  readonly sendError?: (response: ServerResponse, info: ErrorInfo) => void
}

/** Measured: what stops first in a vLLM that drains is the pool that renders prompts. */
const shuttingDown: ErrorInfo = {
  status: 500,
  type: 'InternalServerError',
  message: 'cannot schedule new futures after shutdown',
  param: null,
}

/** Runs an answer's generations, past the gates in front of the engine. */
export function generate(
  context: Context,
  call: Call,
  target: Target,
  shape: AnswerShape,
  specs: readonly GenerationSpec[],
  options: GenerateOptions,
): void {
  const { response } = call
  const refusal = refuse(context, target, specs.length)
  if (refusal !== undefined) {
    const write = options.sendError ?? sendError
    write(response, refusal)
    return
  }
  const answer = context.faults.take('Answer', target.name)
  if (answer !== undefined) {
    send(
      response,
      answer.status,
      { 'content-type': answer.contentType, 'x-loraplex-simulated': 'true' },
      answer.body,
    )
    return
  }
  context.load.enter(specs.length)
  const prompt = specs.map((spec) => spec.prompt).join('\n')
  const faults = new StreamFaults(context.faults, target.name, prompt, (exit) =>
    context.crash(exit),
  )
  const exchange = new Exchange(response, context.engine, shape, {
    ...options,
    faults,
    onEnd: () => context.load.leave(specs.length),
  })
  exchange.start(specs)
}

function refuse(context: Context, target: Target, count: number): ErrorInfo | undefined {
  if (context.engine.isDead) {
    return engineDead
  }
  if (context.load.isDraining) {
    return shuttingDown
  }
  const limit = context.settings.maxNumQueuedReqs
  const isFull = limit !== undefined && context.load.inFlight + count > limit
  if (isFull || context.faults.take('Overload', target.name) !== undefined) {
    context.engine.metrics.overloads += 1
    return {
      status: 503,
      type: 'Service Unavailable',
      message:
        'The engine is currently busy and cannot accept new requests. Please try again later or on a different instance.',
      param: null,
    }
  }
  return undefined
}

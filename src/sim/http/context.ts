import type { IncomingMessage, ServerResponse } from 'node:http'
import type { SimulatedEngine } from '../engine.ts'
import type { Faults } from '../faults.ts'
import { hashText } from '../hash.ts'
import type { GenerationSpec } from '../generation.ts'
import type { ModelAdapter } from '../model-types.ts'
import type { SimulatorSettings } from '../options.ts'
import type { AdapterRegistry } from '../registry.ts'
import type { Tokenizer } from '../tokenizer.ts'
import type { AnswerFrame } from './shape.ts'
import type { Sampling } from './sampling.ts'
import { tooFewTokens } from './sampling.ts'
import type { Json } from './validation.ts'
import { invalidParameter, Refusal } from './wire.ts'

/** What every route works with. */
export interface Context {
  readonly settings: SimulatorSettings
  readonly engine: SimulatedEngine
  readonly registry: AdapterRegistry
  readonly tokenizer: Tokenizer
  readonly faults: Faults
  /** Sequences being answered: what `--max-num-queued-reqs` bounds. */
  readonly load: ServerLoad
  /** Tears everything down, as a crash does; `exit`: the process too. */
  crash(exit: boolean): void
  /** 16 hex digits, new at each call. */
  nextId(): string
}

/** How much is being answered, and whether anything new still is. */
export class ServerLoad {
  #inFlight = 0
  #isDraining = false
  #onIdle: () => void = () => undefined

  get inFlight(): number {
    return this.#inFlight
  }

  get isDraining(): boolean {
    return this.#isDraining
  }

  enter(count: number): void {
    this.#inFlight += count
  }

  leave(count: number): void {
    this.#inFlight -= count
    if (this.#inFlight === 0) {
      this.#onIdle()
    }
  }

  /** From now on nothing new is begun; `onIdle` is called when the last has ended, at once if none is there. */
  drain(onIdle: () => void): void {
    this.#isDraining = true
    this.#onIdle = onIdle
    if (this.#inFlight === 0) {
      onIdle()
    }
  }
}

export interface Call {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly body: Json
}

export interface Target {
  readonly adapter: ModelAdapter | undefined
  /** What the answer calls it. */
  readonly name: string
}

/** A missing or empty `model` is the base. Throws vLLM's 404 for an unknown name. */
export function resolveModel(context: Context, body: Json): Target {
  const { servedModelNames } = context.settings
  const asked = typeof body['model'] === 'string' ? body['model'] : ''
  const adapter = context.registry.find(asked)
  if (adapter !== undefined) {
    return { adapter, name: adapter.name }
  }
  if (asked === '' || servedModelNames.includes(asked)) {
    return { adapter: undefined, name: servedModelNames[0] ?? '' }
  }
  throw new Refusal({
    status: 404,
    type: 'NotFoundError',
    message: `The model \`${asked}\` does not exist. Valid aliases: ${servedModelNames.join(', ')}.`,
    param: 'model',
  })
}

interface SpecExtras {
  readonly salt: unknown
  readonly logprobs: number | undefined
  readonly tokensAsIds?: unknown
}

/** The sequence for one prompt; throws vLLM's 400 where the prompt does not fit. */
export function specFor(
  context: Context,
  target: Target,
  prompt: string,
  tokens: number,
  sampling: Sampling,
  more: SpecExtras,
): GenerationSpec {
  const { maxModelLen } = context.engine
  if (tokens > maxModelLen) {
    const counted = maxModelLen + 1
    throw invalidParameter(
      `This model's maximum context length is ${maxModelLen} tokens. However, your prompt contains at least ${counted} input tokens, ` +
        'which exceeds this limit even without any output tokens. Please reduce the length of the input prompt.',
      'input_tokens',
      String(counted),
    )
  }
  const maxTokens = Math.min(sampling.maxTokens ?? maxModelLen, maxModelLen - tokens)
  if (maxTokens < 1) {
    throw tooFewTokens(maxTokens)
  }
  const seed = hashText(
    `${target.adapter?.name ?? ''}\n${target.adapter?.path ?? ''}\n${typeof more.salt === 'string' ? more.salt : ''}`,
  )
  return {
    adapter: target.adapter,
    prompt,
    promptTokens: tokens,
    blocks: context.tokenizer.blocks(prompt, tokens, seed),
    maxTokens,
    minTokens: sampling.minTokens,
    ignoreEos: sampling.ignoreEos,
    stop: sampling.stop,
    naturalTokens: context.settings.answerTokens,
    logprobs: more.logprobs,
    tokensAsIds: more.tokensAsIds === true,
  }
}

export function frameFor(
  context: Context,
  call: Call,
  target: Target,
  sampling: Sampling,
  prefix: string,
): AnswerFrame {
  const { settings, faults } = context
  const asked = call.request.headers['x-request-id']
  return {
    id: `${prefix}${typeof asked === 'string' ? asked : context.nextId()}`,
    created: Math.floor(Date.now() / 1000),
    model: faults.take('WrongModel', target.name)?.says ?? target.name,
    includeUsage: settings.forceIncludeUsage || sampling.includeUsage,
    continuousUsage: settings.forceIncludeUsage || sampling.continuousUsage,
    promptTokensDetails: settings.promptTokensDetails,
    fingerprint: settings.fingerprint ? `vllm-${settings.version}-simulated` : null,
  }
}

import { CompletionShape } from './completion-shape.ts'
import { frameFor, resolveModel, specFor, type Call, type Context } from './context.ts'
import { generate } from './generate.ts'
import { checkLogprobs, number, readSampling, samplingFields, tooFewTokens } from './sampling.ts'
import { checkFields, type Json } from './validation.ts'
import { badRequest, invalidParameter } from './wire.ts'

const fields = { ...samplingFields, logprobs: { type: 'integer' } } as const

/** vLLM's default where a completion names no `max_tokens`. */
const defaultMaxTokens = 16

interface Prompt {
  readonly text: string
  readonly tokens: number
}

export function completions(context: Context, call: Call): void {
  const { body } = call
  checkFields(body, fields)
  const prompts = readPrompts(context, body)
  const target = resolveModel(context, body)
  const echo = body['echo'] === true
  const asked = number(body, 'max_tokens') ?? defaultMaxTokens
  if (asked < 1 && !echo) {
    throw tooFewTokens(asked)
  }
  // vLLM generates one token even where only the echo is wanted.
  const sampling = readSampling(body, Math.max(1, asked), context.engine.maxModelLen)
  const logprobs = number(body, 'logprobs')
  const more = {
    salt: body['cache_salt'],
    tokensAsIds: body['return_tokens_as_token_ids'],
    logprobs: logprobs === undefined ? undefined : checkLogprobs(logprobs),
  }
  const specs = prompts.flatMap(({ text, tokens }) => {
    const spec = specFor(context, target, text, tokens, sampling, more)
    return Array.from({ length: sampling.n }, () => spec)
  })
  const frame = frameFor(context, call, target, sampling, 'cmpl-')
  generate(context, call, target, new CompletionShape(frame, sampling.n, echo), specs, sampling)
}

function readPrompts(context: Context, body: Json): readonly Prompt[] {
  const prompt = body['prompt']
  if (prompt === undefined || prompt === null || prompt === '') {
    throw invalidParameter(
      'Either prompt or prompt_embeds must be provided and non-empty.',
      'prompt',
    )
  }
  if (typeof prompt === 'string') {
    return [fromText(context, prompt)]
  }
  if (!Array.isArray(prompt) || prompt.length === 0) {
    throw badRequest('You must pass at least one prompt')
  }
  const items = prompt as readonly unknown[]
  return typeof items[0] === 'number'
    ? [fromTokens(items)]
    : items.map((item) => (typeof item === 'string' ? fromText(context, item) : fromTokens(item)))
}

function fromText(context: Context, text: string): Prompt {
  return { text, tokens: context.tokenizer.count(text) }
}

function fromTokens(tokens: unknown): Prompt {
  const ids = Array.isArray(tokens) ? (tokens as readonly unknown[]) : []
  if (ids.length === 0) {
    throw badRequest('You must pass at least one prompt')
  }
  return { text: ids.join(' '), tokens: ids.length }
}

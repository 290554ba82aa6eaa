import type { GenerationSpec } from '../generation.ts'
import { frameFor, resolveModel, specFor, type Call, type Context, type Target } from './context.ts'
import { EmbeddingShape } from './embedding-shape.ts'
import { generate } from './generate.ts'
import { number, readSampling, type Sampling } from './sampling.ts'
import { RerankShape, ScoreShape } from './score-shape.ts'
import type { AnswerShape } from './shape.ts'
import { missingFields, type Json } from './validation.ts'
import { badRequest, Refusal } from './wire.ts'

/** What each member of vLLM's union of request types misses, in its order. */
const unionOfInputs = ['input', 'messages', 'messages', 'messages', 'input', 'messages', 'input']

export function embeddings(context: Context, call: Call): void {
  const { body } = call
  const { input } = body
  if (input === undefined || input === null) {
    throw missingFields(body, unionOfInputs)
  }
  const target = resolvePooled(context, body)
  if (number(body, 'dimensions') !== undefined) {
    throw badRequest(
      `Model '${context.settings.servedModelNames[0] ?? ''}' does not support Matryoshka embeddings; dimensions must be unset (received dimensions=${number(body, 'dimensions')}).`,
    )
  }
  const sampling = pooledSampling(context, body)
  const frame = frameFor(context, call, target, sampling, 'embd-')
  const format = body['encoding_format'] === 'base64' ? 'base64' : 'float'
  embedAll(context, call, target, sampling, textsOf(input), new EmbeddingShape(frame, format))
}

export function rerank(context: Context, call: Call): void {
  const { body } = call
  const documents = textsOf(body['documents'])
  const target = resolvePooled(context, body)
  const sampling = pooledSampling(context, body)
  const frame = frameFor(context, call, target, sampling, 'score-')
  const most = number(body, 'top_n') ?? 0
  const shape = new RerankShape(frame, documents, most === 0 ? documents.length : most)
  embedAll(context, call, target, sampling, [String(body['query']), ...documents], shape)
}

export function score(context: Context, call: Call): void {
  const { body } = call
  const lefts = textsOf(body['queries'] ?? body['data_1'] ?? body['text_1'])
  const rights = textsOf(body['documents'] ?? body['items'] ?? body['data_2'] ?? body['text_2'])
  const target = resolvePooled(context, body)
  const sampling = pooledSampling(context, body)
  const shape = new ScoreShape(frameFor(context, call, target, sampling, 'score-'), lefts.length)
  embedAll(context, call, target, sampling, [...lefts, ...rights], shape)
}

/** These routes know less to say of an unknown model. */
function resolvePooled(context: Context, body: Json): Target {
  try {
    return resolveModel(context, body)
  } catch (error) {
    if (!(error instanceof Refusal)) {
      throw error
    }
    const message = `The model \`${String(body['model'])}\` does not exist.`
    throw new Refusal({ ...error.info, message, param: null })
  }
}

function pooledSampling(context: Context, body: Json): Sampling {
  const { cache_salt } = body
  return { ...readSampling({ cache_salt }, 1, context.engine.maxModelLen), ignoreEos: true }
}

function embedAll(
  context: Context,
  call: Call,
  target: Target,
  sampling: Sampling,
  texts: readonly string[],
  shape: AnswerShape,
): void {
  const { body } = call
  const specs = texts.map((text): GenerationSpec => {
    const most = number(body, 'truncate_prompt_tokens')
    const counted = context.tokenizer.count(text)
    const tokens = most === undefined || most < 0 ? counted : Math.min(counted, most)
    if (tokens === 0) {
      throw badRequest('The decoder prompt cannot be empty')
    }
    // Log probabilities that are not finite refuse an answer; so do such embeddings.
    const more = { salt: body['cache_salt'], logprobs: 0 }
    return {
      ...specFor(context, target, text, tokens, sampling, more),
      dimensions: context.engine.hiddenSize,
    }
  })
  generate(context, call, target, shape, specs, { stream: false })
}

/** A text, a list of texts, tokens, or a list of those. */
function textsOf(value: unknown): readonly string[] {
  if (!Array.isArray(value)) {
    return [String(value)]
  }
  const items = value as readonly unknown[]
  return typeof items[0] === 'number'
    ? [items.join(' ')]
    : items.map((item) => (Array.isArray(item) ? item.join(' ') : String(item)))
}

import type { AnswerLimits } from '../answer-plan.ts'
import { badRequest, invalidParameter } from './wire.ts'
import type { FieldRule, Json } from './validation.ts'

/** Fields that chat and completions share and the simulator reads; all others are accepted and ignored, as in vLLM. */
export const samplingFields: Readonly<Record<string, FieldRule>> = {
  model: { type: 'string' },
  temperature: { type: 'number' },
  top_p: { type: 'number' },
  n: { type: 'integer' },
  max_tokens: { type: 'integer' },
  min_tokens: { type: 'integer', notNull: true },
  seed: { type: 'integer' },
  stream: { type: 'boolean' },
  stream_options: { type: 'object' },
  ignore_eos: { type: 'boolean', notNull: true },
  echo: { type: 'boolean' },
  user: { type: 'string' },
}

const maxLogprobs = 20

export interface Sampling extends Omit<AnswerLimits, 'maxTokens' | 'naturalTokens'> {
  readonly n: number
  /** Undefined: whatever the context leaves. */
  readonly maxTokens: number | undefined
  readonly stream: boolean
  readonly includeUsage: boolean
  readonly continuousUsage: boolean
}

/** Reads what is common, with vLLM's SamplingParams checks in its words. */
export function readSampling(
  body: Json,
  maxTokens: number | undefined,
  maxModelLen: number,
): Sampling {
  checkRanges(body)
  if (maxTokens !== undefined && maxTokens > maxModelLen) {
    throw invalidParameter(
      `max_tokens=${maxTokens} cannot be greater than max_model_len=${maxModelLen}. Please request fewer output tokens.`,
      'max_tokens',
      String(maxTokens),
    )
  }
  const stream = body['stream'] === true
  const streamOptions = body['stream_options'] as Json | null | undefined
  if (streamOptions !== undefined && streamOptions !== null && !stream) {
    throw invalidParameter(
      'Stream options can only be defined when `stream=True`.',
      'stream_options',
    )
  }
  const includeUsage = streamOptions?.['include_usage'] === true
  return {
    n: number(body, 'n') ?? 1,
    maxTokens,
    minTokens: number(body, 'min_tokens') ?? 0,
    ignoreEos: body['ignore_eos'] === true,
    stop: readStop(body['stop']),
    stream,
    includeUsage,
    continuousUsage: includeUsage && streamOptions?.['continuous_usage_stats'] === true,
  }
}

function checkRanges(body: Json): void {
  const temperature = number(body, 'temperature') ?? 1
  const topP = number(body, 'top_p') ?? 1
  const n = number(body, 'n') ?? 1
  if (temperature < 0) {
    throw outOf('temperature', 'must be non-negative', temperature)
  }
  if (temperature > 2) {
    throw outOf('temperature', 'must be in [0, 2]', temperature)
  }
  if (topP <= 0 || topP > 1) {
    throw outOf('top_p', 'must be in (0, 1]', topP)
  }
  if (n < 1) {
    throw badRequest(`n must be at least 1, got ${n}.`)
  }
  if (n > 1 && temperature === 0) {
    throw badRequest(`n must be 1 when using greedy sampling, got ${n}.`)
  }
  checkSalt(body['cache_salt'])
}

function outOf(field: string, must: string, value: number): Error {
  const shown = Number.isInteger(value) ? `${value}.0` : String(value)
  return invalidParameter(`${field} ${must}, got ${shown}.`, field, shown)
}

export function tooFewTokens(maxTokens: number): Error {
  return invalidParameter(
    `max_tokens must be at least 1, got ${maxTokens}.`,
    'max_tokens',
    String(maxTokens),
  )
}

export function checkLogprobs(count: number): number {
  if (count > maxLogprobs) {
    throw invalidParameter(
      `Requested sample logprobs of ${count}, which is greater than max allowed: ${maxLogprobs}`,
      'logprobs',
      String(count),
    )
  }
  return count
}

function checkSalt(salt: unknown): void {
  if (salt === undefined || salt === null) {
    return
  }
  if (salt === '') {
    throw invalidParameter(
      "Parameter 'cache_salt' must be a non-empty string if provided.",
      'cache_salt',
    )
  }
  if (typeof salt !== 'string' || salt.length > 128 || /[@/\\\0]/.test(salt)) {
    throw invalidParameter(
      "Parameter 'cache_salt' must be at most 128 characters and must not contain '@', '/', '\\\\', or NUL.",
      'cache_salt',
    )
  }
}

function readStop(stop: unknown): readonly string[] {
  if (typeof stop === 'string') {
    return [stop]
  }
  return Array.isArray(stop) ? stop.filter((word) => typeof word === 'string' && word !== '') : []
}

export function number(body: Json, field: string): number | undefined {
  const value = body[field]
  return typeof value === 'number' ? value : undefined
}

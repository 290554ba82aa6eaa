import { LoraplexError } from '../errors.ts'
import type { InferenceEndpoint } from './endpoints.ts'
import { scanJsonObject, type ObjectEntry } from './json-object.ts'
import {
  droppedFields,
  forwardedFields,
  refusedFields,
  rewrittenFields,
} from './request-fields.generated.ts'

/** A body that was read once and can be spliced for any engine. */
export interface InferenceRequest {
  readonly endpoint: InferenceEndpoint
  /** What the caller wrote in `model`. */
  readonly model: string
  readonly stream: boolean
  /** The caller asked for the usage frame. */
  readonly includeUsage: boolean
  /** The caller asked for usage on every frame (a vLLM extension). */
  readonly continuousUsage: boolean
  readonly ignoredFields: readonly string[]
  readonly sizeBytes: number
  /** The body for one engine: bytes of the caller with our `model`, `cache_salt` and `stream_options` in front. */
  build(engineModel: string, cacheSalt: string): Buffer
}

export interface InferenceRequestOptions {
  readonly unknownFields: 'Drop' | 'Reject'
}

/** Completions a request may ask for at once; vLLM's own cap is 16,384. */
const maxChoices = 8

/**
 * Reads and judges a body. What the engine judges well itself (ranges of sampling parameters) is left to it.
 * @throws LoraplexError invalid_json, invalid_request or forbidden_field
 */
export function readInferenceRequest(
  endpoint: InferenceEndpoint,
  body: Buffer,
  options: InferenceRequestOptions,
): InferenceRequest {
  const entries = scanJsonObject(body)
  const value = parse(body)
  const kept: ObjectEntry[] = []
  const ignoredFields: string[] = []
  for (const entry of entries) {
    judgeField(entry, value, options, kept, ignoredFields)
  }
  const model = readModel(value)
  const stream = readFlag(value, 'stream')
  const { includeUsage, continuousUsage } = readStreamOptions(value, stream)
  checkChoices(value)
  endpoint.check(value)
  return {
    endpoint,
    model,
    stream,
    includeUsage,
    continuousUsage,
    ignoredFields,
    sizeBytes: body.length,
    build: (engineModel, cacheSalt) => splice(body, kept, engineModel, cacheSalt, stream),
  }
}

type Body = Readonly<Record<string, unknown>>

function parse(body: Buffer): Body {
  try {
    return JSON.parse(body.toString('utf8')) as Body
  } catch {
    throw new LoraplexError('invalid_json', 'The request body is not valid JSON.')
  }
}

function judgeField(
  entry: ObjectEntry,
  value: Body,
  options: InferenceRequestOptions,
  kept: ObjectEntry[],
  ignored: string[],
): void {
  const { key } = entry
  if (forwardedFields.has(key)) {
    kept.push(entry)
    return
  }
  if (rewrittenFields.has(key) || value[key] === null) {
    return
  }
  if (refusedFields.has(key)) {
    throw new LoraplexError(
      'forbidden_field',
      `The field '${key}' cannot be set here: it belongs to the operator of this service.`,
      {
        param: key,
      },
    )
  }
  if (!droppedFields.has(key) && options.unknownFields === 'Reject') {
    throw new LoraplexError('invalid_request', `Unknown field '${key}'.`, { param: key })
  }
  // The name goes into a header: only what a header may hold.
  ignored.push(/^[A-Za-z0-9_.-]{1,64}$/.test(key) ? key : '(unprintable)')
}

function readModel(value: Body): string {
  const { model } = value as { model?: unknown }
  if (typeof model !== 'string' || model === '') {
    throw new LoraplexError(
      'invalid_request',
      "The field 'model' is required: the name of a model or adapter from GET /v1/models.",
      {
        param: 'model',
      },
    )
  }
  return model
}

function readFlag(value: Body, key: string): boolean {
  const flag = value[key]
  if (flag === undefined || flag === null || typeof flag === 'boolean') {
    return flag === true
  }
  throw new LoraplexError('invalid_request', `The field '${key}' must be true or false.`, {
    param: key,
  })
}

function readStreamOptions(
  value: Body,
  stream: boolean,
): { includeUsage: boolean; continuousUsage: boolean } {
  const options = value['stream_options']
  if (options === undefined || options === null) {
    return { includeUsage: false, continuousUsage: false }
  }
  if (typeof options !== 'object' || Array.isArray(options)) {
    throw new LoraplexError('invalid_request', "The field 'stream_options' must be an object.", {
      param: 'stream_options',
    })
  }
  if (!stream) {
    throw new LoraplexError(
      'invalid_request',
      "The field 'stream_options' is only allowed with 'stream': true.",
      {
        param: 'stream_options',
      },
    )
  }
  const { include_usage, continuous_usage_stats } = options as Record<string, unknown>
  return {
    includeUsage: include_usage === true,
    continuousUsage: include_usage === true && continuous_usage_stats === true,
  }
}

function checkChoices(value: Body): void {
  const { n } = value as { n?: unknown }
  if (typeof n === 'number' && n > maxChoices) {
    throw new LoraplexError('invalid_request', `The field 'n' may be at most ${maxChoices}.`, {
      param: 'n',
    })
  }
}

const streamOptions =
  ',"stream":true,"stream_options":{"include_usage":true,"continuous_usage_stats":true}'
const comma = Buffer.from(',')
const closing = Buffer.from('}')

/** I8: `model`, `cache_salt` and `stream_options` are ours; everything else is the caller's bytes. */
function splice(
  body: Buffer,
  kept: readonly ObjectEntry[],
  model: string,
  salt: string,
  stream: boolean,
): Buffer {
  const pieces: Buffer[] = [
    Buffer.from(
      `{"model":"${model}","cache_salt":"${salt}"${stream ? streamOptions : ''}`,
      'latin1',
    ),
  ]
  for (const { keyStart, valueEnd } of kept) {
    pieces.push(comma, body.subarray(keyStart, valueEnd))
  }
  pieces.push(closing)
  return Buffer.concat(pieces)
}

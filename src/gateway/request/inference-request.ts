import { LoraplexError } from '../../errors.ts'
import { checkWhole } from '../endpoints/check-whole.ts'
import { invalid, isObject, type JsonObject } from '../endpoints/invalid.ts'
import { fieldKindsOf } from '../endpoints/field-kinds.ts'
import type { InferenceEndpoint } from '../endpoints/inference-endpoint.ts'
import { RequestImages } from '../endpoints/request-images.ts'
import { readJsonObject, type ObjectEntry } from './json-object.ts'
import { latin1Json } from './latin1-json.ts'
import type { FieldKind } from './request-field-policy.ts'
import { routeFields } from './request-fields.generated.ts'
import { promptQuestionOf, type PromptQuestion } from './prompt-question.ts'
import { isPromptField, measureRequest, type RequestMeasure } from './request-measure.ts'
import { bytesOf, requestBodyOf, type RequestBody } from './request-body.ts'
import { checkLimits } from './request-limits.ts'

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
  readonly measure: RequestMeasure
  /** What an engine gets of the caller's bytes, field by field; the same before and after `build`. */
  eachKept(use: (bytes: Buffer) => void): void
  /** Those of them that its prompt is made of. */
  eachPrompt(use: (bytes: Buffer) => void): void
  /** How its tokens are found out exactly; undefined where no engine counts them. */
  readonly question: PromptQuestion | undefined
  /**
   * The body for one engine: bytes of the caller with our `model`, `cache_salt` and what else is ours in front. It is made
   * where the caller's body lies: the one built before is void.
   * @param outputCap for a caller who gave none
   */
  build(engineModel: string, cacheSalt: string, outputCap?: number): Buffer
}

export interface InferenceRequestOptions {
  readonly unknownFields: 'Drop' | 'Reject'
  /** Whether images may go to the model of this name; absent: none may. */
  readonly takesImages?: (model: string) => boolean
}

/** Completions a request may ask for at once; vLLM's own cap is 16,384. */
const maxChoices = 8

/**
 * Reads and judges a body. What the engine judges well itself (ranges of sampling parameters) is left to it.
 * @param json what the body says, where it was read before
 * @throws LoraplexError invalid_json, invalid_request or forbidden_field
 */
export function readInferenceRequest(
  endpoint: InferenceEndpoint,
  read: RequestBody,
  options: InferenceRequestOptions,
  json = readJsonObject(bytesOf(read)),
): InferenceRequest {
  const { entries, value } = json
  const ignoredFields: string[] = []
  const kinds = fieldKindsOf(endpoint.path)
  const kept = entries.filter((entry) =>
    judgeField(entry, kinds.get(entry.key), value, options, ignoredFields),
  )
  const model = readModel(value)
  const stream = endpoint.form.stream !== undefined && readFlag(value, 'stream')
  const { includeUsage, continuousUsage } = kinds.has('stream_options')
    ? readStreamOptions(value, stream)
    : noUsageWanted
  checkWhole(value, 'n', 1, maxChoices)
  checkLimits(kept, value)
  const images = new RequestImages(options.takesImages?.(model) ?? false)
  endpoint.check(value, images)
  const measure = measureRequest(endpoint.path, kept, value, images.count)
  return {
    endpoint,
    model,
    stream,
    includeUsage,
    continuousUsage,
    ignoredFields,
    sizeBytes: read.room.length - read.start,
    measure,
    eachKept: (use) => eachOf(kept, read, use),
    eachPrompt: (use) =>
      eachOf(
        kept.filter(({ key }) => isPromptField(endpoint.path, key)),
        read,
        use,
      ),
    // Now and not when it is asked: what was parsed must not live as long as the request.
    question: promptQuestionOf(endpoint.path, bytesOf(read), kept, value),
    build: (engineModel, cacheSalt, outputCap) => {
      const ours = outputCap === undefined ? '' : `,"${measure.capField}":${outputCap}`
      return splice(read, entries, kept, headOf(endpoint, engineModel, cacheSalt, stream) + ours)
    },
  }
}

function eachOf(
  entries: readonly ObjectEntry[],
  read: RequestBody,
  use: (bytes: Buffer) => void,
): void {
  const body = bytesOf(read)
  for (const { keyStart, valueEnd } of entries) {
    use(body.subarray(keyStart, valueEnd))
  }
}

/** Whether the field goes to the engine. */
function judgeField(
  { key }: ObjectEntry,
  kind: FieldKind | undefined,
  value: JsonObject,
  options: InferenceRequestOptions,
  ignored: string[],
): boolean {
  // OpenAI reads null as absent; vLLM refuses some nulls.
  if (value[key] === null) {
    return false
  }
  switch (kind) {
    case 'Forward':
      return true
    case 'Rewrite':
      return false
    case 'Refuse':
      throw new LoraplexError(
        'forbidden_field',
        `The field '${key}' cannot be set here: it belongs to the operator of this service.`,
        { param: key },
      )
    case 'State':
      throw invalid(
        `The field '${key}' cannot be used here: nothing is kept between requests. Send the whole conversation instead.`,
        key,
      )
    case 'Drop':
      break
    case undefined:
      if (options.unknownFields === 'Reject') {
        throw invalid(`Unknown field '${key}'.`, key)
      }
      break
    default:
      kind satisfies never
  }
  noteIgnored(key, ignored)
  return false
}

/** Names of ignored fields in one header; the rest are counted as one. */
const maxIgnoredNames = 32

/** The names go into a header: only what a header may hold, and not without end. */
function noteIgnored(key: string, ignored: string[]): void {
  const name = /^[A-Za-z0-9_.-]{1,64}$/.test(key) ? key : '(unprintable)'
  if (ignored.length < maxIgnoredNames) {
    if (!ignored.includes(name)) {
      ignored.push(name)
    }
  } else {
    ignored[maxIgnoredNames] = '(more)'
  }
}

function readModel(value: JsonObject): string {
  const { model } = value
  if (typeof model !== 'string' || model === '') {
    throw invalid(
      "The field 'model' is required: the name of a model or adapter from GET /v1/models.",
      'model',
    )
  }
  return model
}

function readFlag(value: JsonObject, key: string): boolean {
  const flag = value[key]
  if (flag === undefined || flag === null || typeof flag === 'boolean') {
    return flag === true
  }
  throw invalid(`The field '${key}' must be true or false.`, key)
}

const noUsageWanted = { includeUsage: false, continuousUsage: false }

function readStreamOptions(
  value: JsonObject,
  stream: boolean,
): { includeUsage: boolean; continuousUsage: boolean } {
  const options = value['stream_options']
  if (options === undefined || options === null) {
    return noUsageWanted
  }
  if (!isObject(options)) {
    throw invalid("The field 'stream_options' must be an object.", 'stream_options')
  }
  if (!stream) {
    throw invalid(
      "The field 'stream_options' is only allowed with 'stream': true.",
      'stream_options',
    )
  }
  const { include_usage, continuous_usage_stats } = options
  return {
    includeUsage: include_usage === true,
    continuousUsage: include_usage === true && continuous_usage_stats === true,
  }
}

const comma = 0x2c
const closing = 0x7d
const space = 0x20

/** I7: the salt stands wherever the engine's own schema has it. */
function headOf(
  { path, form, fixed }: InferenceEndpoint,
  model: string,
  salt: string,
  stream: boolean,
): string {
  const salted = routeFields[path].salted ? `,"cache_salt":"${salt}"` : ''
  return `{"model":${latin1Json(model)}${salted}${fixed}${stream ? (form.stream?.ask ?? '') : ''}`
}

/**
 * I8: `model`, `cache_salt` and what asks for a stream are ours; everything else is the caller's bytes. They stay where they
 * are: the head goes into the free bytes before the first field that is kept, fields that are not become spaces.
 */
function splice(
  body: RequestBody,
  entries: readonly ObjectEntry[],
  kept: readonly ObjectEntry[],
  head: string,
): Buffer {
  const { room, start } = body
  const first = kept[0]
  const last = kept.at(-1)
  if (first === undefined || last === undefined) {
    return Buffer.from(`${head}}`, 'latin1')
  }
  const headStart = start + first.keyStart - 1 - head.length
  if (headStart < 0) {
    return splice(requestBodyOf(room.subarray(start), head.length), entries, kept, head)
  }
  room.write(head, headStart, 'latin1')
  room[start + first.keyStart - 1] = comma
  const isKept = new Set(kept)
  entries.forEach((entry, index) => {
    const next = entries[index + 1]
    if (!isKept.has(entry) && next !== undefined && entry.keyStart > first.keyStart) {
      room.fill(space, start + entry.keyStart, start + next.keyStart)
    }
  })
  room[start + last.valueEnd] = closing
  return room.subarray(headStart, start + last.valueEnd + 1)
}

import type { InferencePath } from '../endpoints/inference-endpoint.ts'
import type { JsonObject } from '../endpoints/invalid.ts'
import type { ObjectEntry } from './json-object.ts'
import { latin1Json } from './latin1-json.ts'
import { routeFields } from './request-fields.generated.ts'

/** How the tokens of a prompt are found out exactly. */
export type PromptQuestion =
  /** The caller sent tokens. */
  | { readonly kind: 'Counted'; readonly tokens: number }
  /** An engine knows. */
  | {
      readonly kind: 'Ask'
      readonly path: '/tokenize' | '/v1/messages/count_tokens'
      readonly body: (engineModel: string) => Buffer
    }

type Question = PromptQuestion | undefined

/**
 * Undefined where no engine counts what this path makes of its prompt: several texts, pairs of texts, items of a
 * conversation with tools.
 * @param bytes the caller's body, in which the entries lie
 */
export function promptQuestionOf(
  path: InferencePath,
  bytes: Buffer,
  entries: readonly ObjectEntry[],
  body: JsonObject,
): Question {
  switch (path) {
    case '/v1/chat/completions':
      return asking('/tokenize', () => fieldsOf('/tokenize', bytes, entries))
    case '/v1/messages':
      return asking('/v1/messages/count_tokens', () =>
        fieldsOf('/v1/messages/count_tokens', bytes, entries),
      )
    case '/v1/completions':
      return body['suffix'] === undefined || body['suffix'] === null
        ? questionOfTexts('prompt', bytes, entries, body)
        : undefined
    case '/v1/embeddings':
      return questionOfTexts('input', bytes, entries, body)
    case '/v1/responses':
      return questionOfResponse(bytes, entries, body)
    case '/v1/rerank':
    case '/v1/score':
    case '/v1/messages/count_tokens':
    case '/tokenize':
      return undefined
    default:
      return path satisfies never
  }
}

/** A text, a list with one, tokens, or lists of tokens. */
function questionOfTexts(
  key: 'prompt' | 'input',
  bytes: Buffer,
  entries: readonly ObjectEntry[],
  body: JsonObject,
): Question {
  const value: unknown = body[key]
  const entry = entries.find((one) => one.key === key)
  if (entry === undefined) {
    return undefined
  }
  const text = valueOf(bytes, entry)
  const special = entries.filter((one) => one.key === 'add_special_tokens')
  const ask = (prompt: () => Buffer): Question =>
    asking('/tokenize', () => [
      Buffer.from(',"prompt":'),
      prompt(),
      ...special.map((one) => withComma(bytes, one)),
    ])
  if (typeof value === 'string') {
    return ask(() => text)
  }
  if (!Array.isArray(value)) {
    return undefined
  }
  const list: readonly unknown[] = value
  if (list.every((one) => typeof one === 'number')) {
    return { kind: 'Counted', tokens: list.length }
  }
  if (list.every((one) => Array.isArray(one))) {
    return { kind: 'Counted', tokens: list.reduce((sum, one) => sum + one.length, 0) }
  }
  return list.length === 1 && typeof list[0] === 'string'
    ? ask(() => text.subarray(text.indexOf('[') + 1, text.lastIndexOf(']')))
    : undefined
}

/** Text alone becomes one message of a user, instructions one of the system. */
function questionOfResponse(
  bytes: Buffer,
  entries: readonly ObjectEntry[],
  body: JsonObject,
): Question {
  const input = entries.find(({ key }) => key === 'input')
  const instructions = entries.find(({ key }) => key === 'instructions')
  const isText = instructions === undefined || typeof body['instructions'] === 'string'
  if (
    input === undefined ||
    typeof body['input'] !== 'string' ||
    !isText ||
    entries.some(({ key }) => key === 'tools')
  ) {
    return undefined
  }
  return asking('/tokenize', () => [
    Buffer.from(',"messages":['),
    ...(instructions === undefined
      ? []
      : [Buffer.from('{"role":"system","content":'), valueOf(bytes, instructions), comma('}')]),
    Buffer.from('{"role":"user","content":'),
    valueOf(bytes, input),
    Buffer.from('}]'),
  ])
}

function asking(
  path: '/tokenize' | '/v1/messages/count_tokens',
  parts: () => readonly Buffer[],
): PromptQuestion {
  const body = (engineModel: string): Buffer =>
    Buffer.concat([
      Buffer.from(`{"model":${latin1Json(engineModel)}`, 'latin1'),
      ...parts(),
      Buffer.from('}'),
    ])
  return { kind: 'Ask', path, body }
}

/** What both paths take, as the caller wrote it. */
function fieldsOf(
  path: '/tokenize' | '/v1/messages/count_tokens',
  bytes: Buffer,
  entries: readonly ObjectEntry[],
): readonly Buffer[] {
  const taken: ReadonlySet<string> = new Set(routeFields[path].Forward)
  return entries.filter(({ key }) => taken.has(key)).map((entry) => withComma(bytes, entry))
}

function withComma(bytes: Buffer, { keyStart, valueEnd }: ObjectEntry): Buffer {
  return Buffer.concat([Buffer.from(','), bytes.subarray(keyStart, valueEnd)])
}

function comma(before: string): Buffer {
  return Buffer.from(`${before},`)
}

/** The key is one of ours, so its text has no colon, however it is escaped. */
function valueOf(bytes: Buffer, { keyStart, valueEnd }: ObjectEntry): Buffer {
  return bytes.subarray(bytes.indexOf(0x3a, keyStart) + 1, valueEnd)
}

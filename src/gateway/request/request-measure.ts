import type { InferencePath } from '../endpoints/inference-endpoint.ts'
import { invalid, isObject, type JsonObject } from '../endpoints/invalid.ts'
import type { ObjectEntry } from './json-object.ts'

/** How much a request can use, as far as its body says. */
export interface RequestMeasure {
  /** The prompts have at most so many tokens: UTF-8 bytes, and what a template adds; with images, no number bounds them. */
  readonly inputTokens: number
  /** The field that most of the prompt is in. */
  readonly promptField: string
  /** Templates print tools in ways of their own: the bound is a good guess then. */
  readonly hasTools: boolean
  /** The largest cap on one answer that the caller gave; undefined where there is none, or nothing is generated. */
  readonly outputCap: number | undefined
  /** Answers: choices of each prompt. 0 where nothing is generated. */
  readonly answers: number
  /** Choices of each prompt. */
  readonly choicesEach: number
  /** Entry of the engine's body that caps an answer. */
  readonly capField: string
  /** Who asks on behalf of the tenant, as the caller named them. */
  readonly user: string
}

/** Whether the field's text becomes prompt. */
export function isPromptField(path: InferencePath, key: string): boolean {
  return measures[path].prompt.includes(key)
}

interface PathMeasure {
  /** Fields whose text becomes prompt. */
  readonly prompt: readonly string[]
  readonly capField: string
  /** Tokens that the engine's template adds at most, apart from each message's own JSON, which is longer. */
  readonly template: number
}

/** What templates say by themselves: a system prompt of their own, dates, markers. */
const chatTemplate = 256
/** What they say about tools, beside the tools' own schemas. */
const toolTemplate = 1024

const chat = { prompt: ['messages', 'tools'], template: chatTemplate }
const texts = { capField: '', template: 8 }

const measures: Readonly<Record<InferencePath, PathMeasure>> = {
  '/v1/chat/completions': { ...chat, capField: 'max_completion_tokens' },
  '/v1/completions': { prompt: ['prompt', 'suffix'], capField: 'max_tokens', template: 8 },
  '/v1/responses': {
    prompt: ['input', 'instructions', 'tools'],
    capField: 'max_output_tokens',
    template: chatTemplate,
  },
  '/v1/messages': {
    prompt: ['messages', 'system', 'tools'],
    capField: 'max_tokens',
    template: chatTemplate,
  },
  '/v1/messages/count_tokens': { ...texts, prompt: [], template: 0 },
  '/v1/embeddings': { ...texts, prompt: ['input'] },
  '/v1/rerank': { ...texts, prompt: ['query', 'documents', 'instruction'] },
  '/v1/score': {
    ...texts,
    prompt: [
      'queries',
      'documents',
      'items',
      'text_1',
      'text_2',
      'data_1',
      'data_2',
      'instruction',
    ],
  },
  '/tokenize': { ...texts, prompt: [], template: 0 },
}

const capFields = ['max_tokens', 'max_completion_tokens', 'max_output_tokens'] as const

/**
 * A token is at least a byte of text, and JSON never writes text shorter than it is. So this is no guess but a bound: no
 * request uses more.
 * An image is what its model makes of it: a small file can be a large picture, so the context window alone bounds it.
 * @param entries those that the engine is sent
 * @throws LoraplexError invalid_request
 */
export function measureRequest(
  path: InferencePath,
  entries: readonly ObjectEntry[],
  body: JsonObject,
  images = 0,
): RequestMeasure {
  const { prompt, capField, template } = measures[path]
  const parts = entries.filter(({ key }) => prompt.includes(key))
  const bytes = parts.reduce((sum, part) => sum + bytesOf(part) * repeatsOf(part.key, body), 0)
  const prompts = capField === '' ? textsOf(body) : countOf(body['prompt'])
  const choicesEach = choicesOf(body)
  const tools = parts.some(({ key }) => key === 'tools')
  // Templates print schemas with indents, so a byte can become two.
  const forTools = tools ? toolTemplate + bytesOfKey(parts, 'tools') : 0
  const tokens = images > 0 ? Number.POSITIVE_INFINITY : bytes + template * prompts + forTools
  return {
    promptField: prompt[0] ?? '',
    hasTools: tools,
    inputTokens: bytes === 0 ? 0 : tokens,
    outputCap: capField === '' ? undefined : largestCap(entries, body),
    answers: capField === '' ? 0 : prompts * choicesEach,
    choicesEach,
    capField,
    user: userOf(body),
  }
}

function bytesOf({ keyStart, valueEnd, key }: ObjectEntry): number {
  return valueEnd - keyStart - key.length
}

function bytesOfKey(parts: readonly ObjectEntry[], key: string): number {
  return parts.reduce((sum, part) => sum + (part.key === key ? bytesOf(part) : 0), 0)
}

/** Each text of one side is read together with each of the other. */
const otherSide: Readonly<Record<string, readonly string[]>> = {
  query: ['documents'],
  instruction: ['documents', 'items', 'text_2', 'data_2'],
  queries: ['documents', 'items'],
  text_1: ['text_2'],
  data_1: ['data_2'],
}

function repeatsOf(key: string, body: JsonObject): number {
  const others = Object.hasOwn(otherSide, key) ? (otherSide[key] ?? []) : []
  return Math.max(1, ...others.map((other) => countOf(body[other])))
}

function textsOf(body: JsonObject): number {
  return Math.max(
    ...['input', 'documents', 'items', 'text_2', 'data_2'].map((key) => countOf(body[key])),
  )
}

function countOf(value: unknown): number {
  return Array.isArray(value) && typeof value[0] !== 'number' ? value.length : 1
}

function choicesOf({ n }: JsonObject): number {
  return typeof n === 'number' ? n : 1
}

/**
 * The largest counts: a small one beside it must not hide it, nor one that the engine is not sent. The engine reads "64" as
 * 64, so a cap has to be a number.
 */
function largestCap(entries: readonly ObjectEntry[], body: JsonObject): number | undefined {
  let largest: number | undefined
  for (const field of capFields) {
    if (!entries.some(({ key }) => key === field)) {
      continue
    }
    const value = body[field]
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
      throw invalid(`The field '${field}' must be a whole number of at least 0.`, field)
    }
    largest = Math.max(largest ?? 0, value)
  }
  return largest
}

function userOf(body: JsonObject): string {
  const named = [body['safety_identifier'], body['user']].find(
    (value) => typeof value === 'string' && value !== '',
  )
  return typeof named === 'string' ? named : anthropicUser(body['metadata'])
}

function anthropicUser(metadata: unknown): string {
  const id = isObject(metadata) ? metadata['user_id'] : undefined
  return typeof id === 'string' ? id : ''
}

import { checkMessages, textParts } from './check-chat.ts'
import { invalid, type JsonObject } from './invalid.ts'
import type { RequestImages } from './request-images.ts'

/** In one request; the engine runs each as a request of its own. */
const maxTexts = 1024

/** Text, tokens, or a list of either. */
export function checkEmbedding({ input }: JsonObject): void {
  if (Array.isArray(input) && typeof input[0] === 'number') {
    return
  }
  if (Array.isArray(input) && Array.isArray(input[0])) {
    checkCount(input, 'input')
    return
  }
  checkTexts(input, 'input')
}

export function checkRerank(body: JsonObject): void {
  checkText(body['query'], 'query')
  checkTexts(body['documents'], 'documents')
}

/** The names vLLM takes for the two sides that are compared. */
const sides: readonly (readonly [string, string])[] = [
  ['queries', 'documents'],
  ['queries', 'items'],
  ['text_1', 'text_2'],
  ['data_1', 'data_2'],
]

export function checkScore(body: JsonObject): void {
  const given = sides.find(([left, right]) => body[left] !== undefined && body[right] !== undefined)
  const [left, right] = given ?? ['queries', 'documents']
  checkTexts(body[left], left)
  checkTexts(body[right], right)
}

/** A prompt, or a conversation. */
export function checkTokenize(body: JsonObject, images: RequestImages): void {
  if (body['messages'] === undefined || body['messages'] === null) {
    checkText(body['prompt'], 'prompt')
  } else {
    checkMessages(body, textParts, images)
  }
}

/** I8: parts of other kinds would make the engine fetch URLs; texts are strings. */
function checkTexts(value: unknown, field: string): void {
  if (!Array.isArray(value)) {
    checkText(value, field)
    return
  }
  checkCount(value, field)
  value.forEach((text: unknown, place) => checkText(text, `${field}[${place}]`))
}

function checkCount(value: readonly unknown[], field: string): void {
  if (value.length === 0) {
    throw invalid(`The field '${field}' is required and must not be empty.`, field)
  }
  if (value.length > maxTexts) {
    throw invalid(`The field '${field}' may hold at most ${maxTexts} texts.`, field)
  }
}

function checkText(value: unknown, field: string): void {
  if (value === undefined || value === null || value === '') {
    throw invalid(`The field '${field}' is required and must not be empty.`, field)
  }
  if (typeof value !== 'string') {
    throw invalid(`The field '${field}' must be text.`, field)
  }
}

import { checkLogprobs } from './check-logprobs.ts'
import { checkParts } from './check-parts.ts'
import { checkTools } from './check-tools.ts'
import { invalid, isObject, type JsonObject } from './invalid.ts'
import type { RequestImages } from './request-images.ts'

const textParts: ReadonlySet<string> = new Set(['input_text', 'output_text', 'refusal', 'text'])
const parts: ReadonlySet<string> = new Set([...textParts, 'input_image'])

/** What an item may be: nothing that refers to something kept, and nothing that somebody else would have to run. */
const items: ReadonlySet<unknown> = new Set([
  undefined,
  'message',
  'function_call',
  'function_call_output',
  'reasoning',
])

export function checkResponse(body: JsonObject, images: RequestImages): void {
  const { input } = body
  if (input === undefined || input === null || input === '') {
    throw invalid("The field 'input' is required and must not be empty.", 'input')
  }
  if (Array.isArray(input) && input.length > 0) {
    input.forEach((item: unknown, index) => checkItem(item, `input[${index}]`, images))
  } else if (typeof input !== 'string') {
    throw invalid("The field 'input' must be text or a list of items.", 'input')
  }
  if (body['background'] === true) {
    throw invalid("'background' cannot be true: nothing is kept between requests.", 'background')
  }
  checkLogprobs(body, 'top_logprobs')
  checkTools(body, ({ type, name }) => type === 'function' && typeof name === 'string')
}

function checkItem(item: unknown, path: string, images: RequestImages): void {
  if (!isObject(item)) {
    throw invalid(`${path} must be an object.`, path)
  }
  const { type, content, output } = item
  if (!items.has(type)) {
    throw invalid(
      `${path}.type must be 'message', 'function_call', 'function_call_output' or 'reasoning'.`,
      `${path}.type`,
    )
  }
  if (type === undefined || type === 'message') {
    checkParts(content, `${path}.content`, parts, images)
  } else if (type === 'function_call_output') {
    checkParts(output, `${path}.output`, textParts, images)
  }
}

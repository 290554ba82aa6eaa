import { checkLogprobs } from './check-logprobs.ts'
import { checkParts } from './check-parts.ts'
import { checkTools } from './check-tools.ts'
import { invalid, isObject, type JsonObject } from './invalid.ts'
import type { RequestImages } from './request-images.ts'

/** Kinds of content that are text. */
export const textParts: ReadonlySet<string> = new Set(['text', 'refusal'])

const parts: ReadonlySet<string> = new Set([...textParts, 'image_url'])

export function checkChat(body: JsonObject, images: RequestImages): void {
  checkMessages(body, parts, images)
  checkTools(body, ({ type, function: of }) => type === 'function' && isObject(of) && isName(of))
  checkResponseFormat(body)
  checkLogprobs(body, 'top_logprobs')
}

/** A list of objects with a role and content. */
export function checkMessages(
  { messages }: JsonObject,
  types: ReadonlySet<string>,
  images: RequestImages,
): void {
  if (!Array.isArray(messages) || messages.length === 0) {
    throw invalid("The field 'messages' is required: a list with at least one message.", 'messages')
  }
  messages.forEach((message: unknown, index) => {
    const path = `messages[${index}]`
    if (!isObject(message)) {
      throw invalid(`${path} must be an object with 'role' and 'content'.`, path)
    }
    if (typeof message['role'] !== 'string') {
      throw invalid(`${path}.role is required.`, `${path}.role`)
    }
    checkParts(message['content'], `${path}.content`, types, images)
  })
}

function isName({ name }: JsonObject): boolean {
  return typeof name === 'string' && name !== ''
}

/** vLLM ignores what it does not know in here, and the answer would have any form. */
function checkResponseFormat(body: JsonObject): void {
  const format = body['response_format']
  if (format === undefined || format === null) {
    return
  }
  const { type, json_schema: schema } = isObject(format) ? format : {}
  if (type === 'text' || type === 'json_object' || type === 'structural_tag') {
    return
  }
  const path = 'response_format.json_schema'
  if (type !== 'json_schema') {
    throw invalid(
      "response_format.type must be 'text', 'json_object' or 'json_schema'.",
      'response_format.type',
    )
  }
  if (!isObject(schema) || !isName(schema) || !isObject(schema['schema'])) {
    throw invalid(`${path} must have a 'name' and a 'schema'.`, path)
  }
}

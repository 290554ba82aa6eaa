import { checkMessages } from './check-chat.ts'
import { checkParts } from './check-parts.ts'
import { checkTools } from './check-tools.ts'
import { invalid, isObject, type JsonObject } from './invalid.ts'
import type { RequestImages } from './request-images.ts'

const parts: ReadonlySet<string> = new Set([
  'text',
  'image',
  'tool_use',
  'tool_result',
  'thinking',
  'redacted_thinking',
])
const systemParts: ReadonlySet<string> = new Set(['text'])

export function checkMessage(body: JsonObject, images: RequestImages): void {
  checkCountedMessage(body, images)
  const { max_tokens: most } = body
  if (typeof most !== 'number' || !Number.isInteger(most) || most < 1) {
    throw invalid("The field 'max_tokens' is required: a whole number above 0.", 'max_tokens')
  }
}

/** As `checkMessage`, where nothing is generated. */
export function checkCountedMessage(body: JsonObject, images: RequestImages): void {
  checkMessages(body, parts, images)
  checkParts(body['system'], 'system', systemParts, images)
  checkTools(
    body,
    ({ type, name, input_schema: schema }) =>
      (type === undefined || type === null || type === 'custom') &&
      typeof name === 'string' &&
      isObject(schema),
  )
}

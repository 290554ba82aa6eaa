import { renderChat, type ChatMessage } from '../tokenizer.ts'
import { ChatShape } from './chat-shape.ts'
import { frameFor, resolveModel, specFor, type Call, type Context } from './context.ts'
import { generate } from './generate.ts'
import { imageText } from './image-text.ts'
import { checkLogprobs, number, readSampling, samplingFields } from './sampling.ts'
import type { ToolCall } from './tool-call.ts'
import { checkFields, type Json } from './validation.ts'
import { badRequest, invalidParameter } from './wire.ts'

const fields = {
  messages: { type: 'array', required: true },
  ...samplingFields,
  max_completion_tokens: { type: 'integer' },
  logprobs: { type: 'boolean' },
  tools: { type: 'array' },
} as const

export function chatCompletions(context: Context, call: Call): void {
  const { body } = call
  checkFields(body, fields)
  checkExtras(body)
  const tool = readTools(context, body)
  const target = resolveModel(context, body)
  const maxTokens = number(body, 'max_completion_tokens') ?? number(body, 'max_tokens')
  const sampling = readSampling(body, maxTokens, context.engine.maxModelLen)
  const prompt = renderChat(readMessages(context, body))
  const tokens = context.tokenizer.count(prompt)
  const spec = specFor(context, target, prompt, tokens, sampling, {
    salt: body['cache_salt'],
    tokensAsIds: body['return_tokens_as_token_ids'],
    logprobs:
      body['logprobs'] === true ? checkLogprobs(number(body, 'top_logprobs') ?? 0) : undefined,
  })
  const frame = frameFor(context, call, target, sampling, 'chatcmpl-')
  const specs = Array.from({ length: sampling.n }, () => spec)
  generate(context, call, target, new ChatShape(frame, sampling.n, tool), specs, sampling)
}

function checkExtras(body: Json): void {
  const topLogprobs = number(body, 'top_logprobs') ?? 0
  if (topLogprobs > 0 && body['logprobs'] !== true) {
    throw invalidParameter(
      'when using `top_logprobs`, `logprobs` must be set to true.',
      'top_logprobs',
    )
  }
  if (typeof body['chat_template'] === 'string') {
    throw badRequest(
      'Chat template is passed with request, but --trust-request-chat-template is not set. Refused request with untrusted chat template.',
    )
  }
}

/** The call an answer has to consist of, undefined for none. Throws vLLM's 400s. */
export function readTools(context: Context, body: Json): ToolCall | undefined {
  const tools = body['tools']
  const choice = body['tool_choice'] ?? undefined
  if (Array.isArray(tools) && tools.length === 0) {
    throw invalidParameter(
      '`tools` must not be an empty array. Either provide at least one tool or omit the field entirely.',
      'tools',
    )
  }
  if (!Array.isArray(tools)) {
    if (choice !== undefined && choice !== 'none') {
      throw invalidParameter('When using `tool_choice`, `tools` must be set.', 'tool_choice')
    }
    return undefined
  }
  const names = (tools as readonly { readonly function?: { readonly name?: unknown } }[]).map(
    (tool) => tool.function?.name,
  )
  return readChoice(context, choice ?? 'auto', names)
}

function readChoice(
  context: Context,
  choice: unknown,
  names: readonly unknown[],
): ToolCall | undefined {
  if (choice === 'none') {
    return undefined
  }
  const named = (choice as { readonly function?: { readonly name?: string } }).function?.name
  if (named !== undefined && !names.includes(named)) {
    throw invalidParameter(
      'The tool specified in `tool_choice` does not match any of the specified `tools`',
      'tool_choice',
    )
  }
  if (!context.settings.toolCalls) {
    throw badRequest(
      choice === 'auto'
        ? '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
        : `tool_choice=${named === undefined ? String(choice) : `function "${named}"`} requires --tool-call-parser to be set`,
    )
  }
  // Left to itself it never calls one.
  return choice === 'auto'
    ? undefined
    : {
        id: `chatcmpl-tool-${context.nextId()}`,
        name: named ?? String(names[0]),
        isNamed: named !== undefined,
      }
}

/** The body's messages with their text, or vLLM's 400 for what the base cannot take. */
export function readMessages(context: Context, body: Json): readonly ChatMessage[] {
  const messages = body['messages'] as readonly unknown[]
  if (messages.length === 0) {
    throw badRequest(
      'Cannot apply chat template to an empty conversation. Provide at least one message.',
    )
  }
  return messages.map((message) => readMessage(context, message))
}

function readMessage(context: Context, value: unknown): ChatMessage {
  const message = (typeof value === 'object' && value !== null ? value : {}) as Json
  const role = message['role']
  const content = message['content'] ?? null
  if (typeof role !== 'string') {
    throw badRequest('Field required: messages.role')
  }
  if (content === null || typeof content === 'string') {
    return { role, content }
  }
  const parts = (Array.isArray(content) ? content : [content]) as readonly Json[]
  return { role, content: parts.map((part) => ({ text: readPart(context, part) })) }
}

function readPart(context: Context, part: Json): string {
  const text = part['text'] ?? part['refusal'] ?? part['content']
  if (typeof text === 'string') {
    return text
  }
  if (part['type'] === 'tool_use') {
    return JSON.stringify(part['input'])
  }
  const image = context.settings.takesImages ? imageText(part) : undefined
  if (image !== undefined) {
    return image
  }
  if (part['type'] === 'tool_result' && Array.isArray(part['content'])) {
    return (part['content'] as readonly Json[]).map((inner) => readPart(context, inner)).join('')
  }
  throw badRequest(`${context.settings.servedModelNames[0] ?? ''} is not a multimodal model`)
}

import type { ServerResponse } from 'node:http'
import { renderChat, type ChatMessage } from '../tokenizer.ts'
import { readMessages, readTools } from './chat.ts'
import { frameFor, resolveModel, specFor, type Call, type Context } from './context.ts'
import { generate } from './generate.ts'
import { MessagesShape } from './messages-shape.ts'
import { number, readSampling } from './sampling.ts'
import { checkFields, type Json } from './validation.ts'
import { Refusal, sanitize, sendJson, type ErrorInfo } from './wire.ts'

const fields = {
  model: { type: 'string', required: true },
  messages: { type: 'array', required: true },
  max_tokens: { type: 'integer', required: true },
  stream: { type: 'boolean' },
  stop_sequences: { type: 'array' },
  temperature: { type: 'number' },
  top_p: { type: 'number' },
} as const

export function messages(context: Context, call: Call): void {
  const { body, response } = call
  checkFields(body, fields)
  inAnthropicShape(response, () => {
    const tool = readTools(context, asChatTools(body))
    const target = resolveModel(context, body)
    const sampling = readSampling(
      { ...body, stop: body['stop_sequences'], stream_options: null },
      number(body, 'max_tokens'),
      context.engine.maxModelLen,
    )
    const prompt = renderChat(conversation(context, body))
    const tokens = context.tokenizer.count(prompt)
    const more = { salt: body['cache_salt'], logprobs: undefined }
    const spec = specFor(context, target, prompt, tokens, sampling, more)
    const shape = new MessagesShape(frameFor(context, call, target, sampling, 'chatcmpl-'), tool)
    generate(context, call, target, shape, [spec], {
      stream: sampling.stream,
      sendError: sendAnthropicError,
    })
  })
}

export function countTokens(context: Context, call: Call): void {
  const { body, response } = call
  checkFields(body, { model: fields.model, messages: fields.messages })
  inAnthropicShape(response, () => {
    readTools(context, asChatTools(body))
    resolveModel(context, body)
    const count = context.tokenizer.count(renderChat(conversation(context, body)))
    const answer = { input_tokens: count, context_management: { original_input_tokens: count } }
    sendJson(response, 200, JSON.stringify(answer))
  })
}

/** VLLM turns a request into one for chat, so the words of its refusals are chat's. */
function asChatTools(body: Json): Json {
  const { tools, tool_choice: choice } = body
  if (!Array.isArray(tools)) {
    return {}
  }
  const { type = 'auto', name } = (choice ?? {}) as {
    readonly type?: string
    readonly name?: string
  }
  const choices: Json = { any: 'required', tool: { function: { name } } }
  return {
    tools: (tools as readonly Json[]).map((tool) => ({ function: { name: tool['name'] } })),
    tool_choice: choices[type] ?? type,
  }
}

function conversation(context: Context, body: Json): readonly ChatMessage[] {
  const asked = readMessages(context, body)
  const { system } = body
  if (typeof system === 'string') {
    return [{ role: 'system', content: system }, ...asked]
  }
  if (!Array.isArray(system)) {
    return asked
  }
  const parts = system as readonly Json[]
  const text = parts.map((part) => (typeof part['text'] === 'string' ? part['text'] : '')).join('')
  return [{ role: 'system', content: text }, ...asked]
}

/** What is wrong with the fields is told in OpenAI's shape, everything after that in Anthropic's. */
function inAnthropicShape(response: ServerResponse, work: () => void): void {
  try {
    work()
  } catch (error) {
    if (!(error instanceof Refusal)) {
      throw error
    }
    sendAnthropicError(response, error.info)
  }
}

function sendAnthropicError(response: ServerResponse, { status, type, message }: ErrorInfo): void {
  const body = { type: 'error', error: { type, message: sanitize(message) } }
  sendJson(response, status, JSON.stringify(body))
}

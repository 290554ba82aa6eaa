import { renderChat, type ChatMessage } from '../tokenizer.ts'
import { readMessages, readTools } from './chat.ts'
import { frameFor, resolveModel, specFor, type Call, type Context } from './context.ts'
import { generate } from './generate.ts'
import { ResponsesShape, type ResponsesEcho } from './responses-shape.ts'
import { number, readSampling } from './sampling.ts'
import type { ToolCall } from './tool-call.ts'
import { checkFields, type Json } from './validation.ts'
import { Refusal } from './wire.ts'

const fields = {
  input: { type: 'any', required: true },
  model: { type: 'string' },
  max_output_tokens: { type: 'integer' },
  stream: { type: 'boolean' },
  temperature: { type: 'number' },
  top_p: { type: 'number' },
} as const

export function responses(context: Context, call: Call): void {
  const { body } = call
  checkFields(body, fields)
  const target = resolveModel(context, body)
  checkState(body)
  const asked = number(body, 'max_output_tokens')
  const sampling = readSampling(
    { ...body, stream_options: null },
    asked,
    context.engine.maxModelLen,
  )
  const prompt = renderChat(conversation(context, body))
  const tokens = context.tokenizer.count(prompt)
  const more = { salt: body['cache_salt'], logprobs: undefined }
  const spec = specFor(context, target, prompt, tokens, sampling, more)
  const shape = new ResponsesShape(
    frameFor(context, call, target, sampling, 'resp_'),
    context.nextId(),
    {
      temperature: number(body, 'temperature') ?? 1,
      topP: number(body, 'top_p') ?? 1,
      maxOutputTokens: spec.maxTokens,
      ...echoOf(body),
    },
    toolOf(context, body),
  )
  generate(context, call, target, shape, [spec], sampling)
}

/** Without a parser vLLM leaves the tools to themselves here. */
function toolOf(context: Context, body: Json): ToolCall | undefined {
  const { tools, tool_choice: choice } = body
  if (!context.settings.toolCalls || !Array.isArray(tools)) {
    return undefined
  }
  const { name } = (choice ?? {}) as { readonly name?: unknown }
  return readTools(context, {
    tools: (tools as readonly Json[]).map((tool) => ({ function: { name: tool['name'] } })),
    tool_choice: name === undefined ? choice : { function: { name } },
  })
}

/** There is no store, as in a vLLM that was not told to keep one. */
function checkState(body: Json): void {
  const refusal = { type: 'invalid_request_error' } as const
  if (body['background'] === true && body['store'] !== false) {
    throw new Refusal({
      ...refusal,
      status: 400,
      message:
        'This vLLM engine does not support `store=True` and therefore does not support the background mode. To enable these features, set the environment variable `VLLM_ENABLE_RESPONSES_API_STORE=1` when launching the vLLM server.',
      param: 'background',
    })
  }
  const before = body['previous_response_id']
  if (typeof before === 'string') {
    throw new Refusal({
      ...refusal,
      status: 404,
      message: `Response with id '${before}' not found.`,
      param: 'response_id',
    })
  }
}

/** What of the request stands in the answer again. */
function echoOf(body: Json): Pick<ResponsesEcho, 'instructions' | 'tools' | 'toolChoice'> {
  const { instructions, tool_choice: choice } = body
  const tools = Array.isArray(body['tools']) ? (body['tools'] as readonly Json[]) : []
  return {
    instructions: typeof instructions === 'string' ? instructions : null,
    tools: tools.map(({ name, parameters, strict = null, description = null }) => ({
      name,
      parameters,
      strict,
      type: 'function',
      allowed_callers: null,
      async: null,
      defer_loading: null,
      description,
      output_schema: null,
    })),
    toolChoice: tools.length === 0 ? 'none' : sorted(choice ?? 'auto'),
  }
}

/** The SDK's types, which vLLM writes answers with, have their fields in alphabetical order. */
function sorted(choice: unknown): unknown {
  return typeof choice === 'object' && choice !== null
    ? Object.fromEntries(Object.entries(choice).sort(([left], [right]) => (left < right ? -1 : 1)))
    : choice
}

function conversation(context: Context, body: Json): readonly ChatMessage[] {
  const { input, instructions } = body
  const asked =
    typeof input === 'string'
      ? [{ role: 'user', content: input }]
      : readMessages(context, { messages: itemsOf(input).map(messageOf) })
  return typeof instructions === 'string'
    ? [{ role: 'system', content: instructions }, ...asked]
    : asked
}

function itemsOf(input: unknown): readonly Json[] {
  return (Array.isArray(input) ? input : [input]) as readonly Json[]
}

/** A call and what came of it are turns of the conversation, too. */
function messageOf(item: Json): Json {
  switch (item['type']) {
    case 'function_call':
      return { role: 'assistant', content: item['arguments'] }
    case 'function_call_output':
      return { role: 'tool', content: item['output'] }
    case 'reasoning':
      return { role: 'assistant', content: '' }
    default:
      return item
  }
}

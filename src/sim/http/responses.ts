import { renderChat, type ChatMessage } from '../tokenizer.ts'
import { readMessages } from './chat.ts'
import { frameFor, resolveModel, specFor, type Call, type Context } from './context.ts'
import { generate } from './generate.ts'
import { ResponsesShape } from './responses-shape.ts'
import { number, readSampling } from './sampling.ts'
import { checkFields, type Json } from './validation.ts'

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
    `msg_${context.nextId()}`,
    {
      temperature: number(body, 'temperature') ?? 1,
      topP: number(body, 'top_p') ?? 1,
      maxOutputTokens: spec.maxTokens,
    },
  )
  generate(context, call, target, shape, [spec], sampling)
}

function conversation(context: Context, body: Json): readonly ChatMessage[] {
  const { input, instructions } = body
  const asked =
    typeof input === 'string'
      ? [{ role: 'user', content: input }]
      : readMessages(context, { messages: Array.isArray(input) ? input : [input] })
  return typeof instructions === 'string'
    ? [{ role: 'system', content: instructions }, ...asked]
    : asked
}

import type { Call, Context } from './context.ts'
import { checkFields } from './validation.ts'
import { send, sendError, textHeaders } from './wire.ts'
import type { LoraAnswer } from '../registry.ts'

export async function loadAdapter(context: Context, { body, response }: Call): Promise<void> {
  checkFields(body, {
    lora_name: { type: 'string', required: true },
    lora_path: { type: 'string', required: true },
    load_inplace: { type: 'boolean', notNull: true },
  })
  const inPlace = body['load_inplace'] === true
  const answer = await context.registry.load(
    String(body['lora_name']),
    String(body['lora_path']),
    inPlace,
  )
  answerLora({ response }, answer)
}

export async function unloadAdapter(context: Context, { body, response }: Call): Promise<void> {
  checkFields(body, {
    lora_name: { type: 'string', required: true },
    lora_int_id: { type: 'integer' },
  })
  answerLora({ response }, await context.registry.unload(String(body['lora_name'])))
}

/** SageMaker's names for the same two: never asked for a key. */
export async function registerAlias(context: Context, { body, response }: Call): Promise<void> {
  checkFields(body, {
    name: { type: 'string', required: true },
    src: { type: 'string', required: true },
  })
  const name = String(body['name'])
  const answer = await context.registry.load(
    name,
    String(body['src']),
    body['load_inplace'] === true,
  )
  answerLora({ response }, answer.ok ? { ok: true, text: `Adapter ${name} registered` } : answer)
}

export async function unregisterAlias(
  context: Context,
  { request, response }: Call,
): Promise<void> {
  const name = decodeURIComponent((request.url ?? '').slice('/adapters/'.length))
  const answer = await context.registry.unload(name)
  answerLora({ response }, answer.ok ? { ok: true, text: `Adapter ${name} unregistered` } : answer)
}

function answerLora({ response }: Pick<Call, 'response'>, answer: LoraAnswer): void {
  if (answer.ok) {
    send(response, 200, textHeaders, answer.text)
  } else {
    sendError(response, answer.error)
  }
}

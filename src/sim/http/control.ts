import { faultSchema } from '../faults.ts'
import { renderChat } from '../tokenizer.ts'
import { readMessages } from './chat.ts'
import { resolveModel, type Call, type Context } from './context.ts'
import { checkFields, missingFields } from './validation.ts'
import { metricsHeaders, send, sendError, sendJson, textHeaders } from './wire.ts'

export function health(context: Context, { response }: Call): void {
  send(response, context.engine.isDead ? 503 : 200, textHeaders, '')
}

export function version(context: Context, { response }: Call): void {
  sendJson(response, 200, JSON.stringify({ version: context.settings.version }))
}

export function serverLoad(_context: Context, { response }: Call): void {
  sendJson(response, 200, '{"server_load":0}')
}

export function metrics(context: Context, { response }: Call): void {
  const { engine, faults } = context
  let text = engine.metrics.text(engine.gauges)
  const large = faults.take('LargeMetrics')
  if (large !== undefined) {
    text += `# ${'x'.repeat(large.bytes)}\n`
  }
  send(response, 200, metricsHeaders, text)
}

export function listModels(context: Context, { response }: Call): void {
  const { settings, registry, engine } = context
  const created = Math.floor(Date.now() / 1000)
  const card = (id: string, root: string, parent: string | null, maxModelLen: number | null) => ({
    id,
    object: 'model',
    created,
    // Not vLLM's "vllm": who looks must see that this is no engine.
    owned_by: 'loraplex-simulator',
    root,
    parent,
    max_model_len: maxModelLen,
    permission: [permission(context.nextId(), created)],
  })
  const base = settings.servedModelNames[0] ?? ''
  const data = [
    ...settings.servedModelNames.map((name) =>
      card(name, settings.modelPath ?? name, null, engine.maxModelLen),
    ),
    ...registry.adapters.map(({ name, path }) => card(name, path, base, null)),
  ]
  sendJson(response, 200, JSON.stringify({ object: 'list', data }))
}

function permission(id: string, created: number): object {
  return {
    id: `modelperm-${id}`,
    object: 'model_permission',
    created,
    allow_create_engine: false,
    allow_sampling: true,
    allow_logprobs: true,
    allow_search_indices: false,
    allow_view: true,
    allow_fine_tuning: false,
    organization: '*',
    group: null,
    is_blocking: false,
  }
}

export function tokenize(context: Context, call: Call): void {
  const { body, response } = call
  const isChat = body['messages'] !== undefined
  if (!isChat && body['prompt'] === undefined) {
    throw missingFields(body, ['prompt', 'messages'])
  }
  checkFields(
    body,
    isChat ? { messages: { type: 'array' } } : { prompt: { type: 'string', required: true } },
  )
  resolveModel(context, body)
  const prompt = isChat
    ? renderChat(readMessages(context, body), body['add_generation_prompt'] !== false)
    : String(body['prompt'])
  const tokens = context.tokenizer.ids(prompt)
  const answer = {
    count: tokens.length,
    max_model_len: context.engine.maxModelLen,
    tokens,
    token_strs: body['return_token_strs'] === true ? context.tokenizer.pieces(prompt) : null,
  }
  sendJson(response, 200, JSON.stringify(answer))
}

/** The simulator's own: what is armed, one more fault, none any more. */
export function listFaults(context: Context, { response }: Call): void {
  sendJson(response, 200, JSON.stringify({ faults: context.faults.list }))
}

export function addFault(context: Context, { response, body }: Call): void {
  const parsed = faultSchema.safeParse(body)
  if (!parsed.success) {
    const message = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)
    sendError(response, {
      status: 400,
      type: 'BadRequestError',
      message: message.join('; '),
      param: null,
    })
    return
  }
  context.faults.add(parsed.data)
  listFaults(context, { response, body, request: response.req })
}

export function clearFaults(context: Context, call: Call): void {
  context.faults.clear()
  listFaults(context, call)
}

/** What no real engine shows: who is on the GPU, in host memory, running and waiting. */
export function showState(context: Context, { response }: Call): void {
  const { model } = context.engine
  const state = {
    gauges: model.gauges,
    adapters: context.registry.adapters,
    ...model.caches,
    runningAdapters: [...model.runningAdapters.keys()],
  }
  sendJson(response, 200, JSON.stringify(state))
}

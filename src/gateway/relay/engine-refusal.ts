import { LoraplexError } from '../../errors.ts'

/** What an engine's answer before the first byte means for the request. */
export type EngineRefusal =
  /** The caller's fault, in the engine's words about the caller's own request. */
  | { readonly kind: 'Caller'; readonly error: LoraplexError }
  /** Another replica may do better: busy, draining, a wrong engine behind this address, a lost adapter. */
  | { readonly kind: 'Elsewhere'; readonly error: LoraplexError }
  /** The process is on its way out; its successor may do better. */
  | { readonly kind: 'Dying'; readonly error: LoraplexError }

/**
 * What vLLM 0.32 says once its engine core is dead, or while it shuts down; the process ends seconds later. The last is
 * what `/v1/messages` makes of it inside a stream.
 */
const dyingWords =
  /EngineCore encountered an issue|cannot schedule new futures after shutdown|Server shutting down|validation errors? for ChatCompletionStreamResponse/

/** Names inside the engine and what the caller knows them by. */
export type NameMap = readonly (readonly [inside: string, outside: string])[]

/** Classifies a status and body of vLLM. Its 400s are about the request; names of ours in them are put back. */
export function classifyEngineRefusal(status: number, body: string, names: NameMap): EngineRefusal {
  const { message, param } = readError(body)
  if (status === 400 || status === 422) {
    const known = knownRefusal(message)
    if (known !== undefined) {
      return { kind: 'Caller', error: known }
    }
    const words = restoreNames(message, names)
    const tooLong = /maximum context length|max_model_len|maximum model length/i.test(message)
    const code = tooLong ? 'context_length_exceeded' : 'invalid_request'
    return {
      kind: 'Caller',
      error: new LoraplexError(code, words, param === undefined ? {} : { param }),
    }
  }
  if (status === 503) {
    return {
      kind: 'Elsewhere',
      error: new LoraplexError('overloaded', 'The engine takes no more requests at the moment.', {
        retryAfterMs: 2000,
      }),
    }
  }
  // I14: the text of a 5xx may hold anything and is not passed on.
  return {
    kind: dyingWords.test(message) ? 'Dying' : 'Elsewhere',
    error: new LoraplexError('engine_failed', 'The engine could not answer this request.'),
  }
}

/** Refusals whose words are for somebody else than the caller. */
function knownRefusal(message: string): LoraplexError | undefined {
  if (message.includes('--tool-call-parser')) {
    return new LoraplexError(
      'invalid_request',
      'Tools cannot be called on this pool: its engine has no parser of tool calls. Ask its operator.',
      { param: 'tool_choice' },
    )
  }
  // `/v1/messages` calls it the request's fault that the model wrote arguments that are no object.
  return message.includes('for AnthropicContentBlock')
    ? new LoraplexError(
        'engine_failed',
        'The model called a tool with arguments that are not an object.',
      )
    : undefined
}

function readError(body: string): { message: string; param: string | undefined } {
  try {
    const value = JSON.parse(body) as { error?: { message?: unknown; param?: unknown } }
    const { message, param } = value.error ?? {}
    return {
      message:
        typeof message === 'string' ? message.slice(0, 2000) : 'The engine refused the request.',
      param: paramOf(param, message),
    }
  } catch {
    return { message: 'The engine refused the request.', param: undefined }
  }
}

/** Anthropic's shape has no place for it, but vLLM's words do. */
function paramOf(param: unknown, message: unknown): string | undefined {
  if (typeof param === 'string') {
    return param.replace(/^body\./, '')
  }
  return typeof message === 'string' ? /\(parameter=(\w+)/.exec(message)?.[1] : undefined
}

function restoreNames(message: string, names: NameMap): string {
  return names.reduce((text, [inside, outside]) => text.replaceAll(inside, outside), message)
}

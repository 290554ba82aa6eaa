import { LoraplexError } from '../errors.ts'

/** What an engine's answer before the first byte means for the request. */
export type EngineRefusal =
  /** The caller's fault, in the engine's words about the caller's own request. */
  | { readonly kind: 'Caller'; readonly error: LoraplexError }
  /** Another replica may do better: busy, draining, a wrong engine behind this address, a lost adapter. */
  | { readonly kind: 'Elsewhere'; readonly error: LoraplexError }
  /** The process is on its way out; its successor may do better. */
  | { readonly kind: 'Dying'; readonly error: LoraplexError }

/** What vLLM 0.32 says once its engine core is dead, or while it shuts down; the process ends seconds later. */
const dyingWords =
  /EngineCore encountered an issue|cannot schedule new futures after shutdown|Server shutting down/

/** Names inside the engine and what the caller knows them by. */
export type NameMap = readonly (readonly [inside: string, outside: string])[]

/** Classifies a status and body of vLLM. Its 400s are about the request; names of ours in them are put back. */
export function classifyEngineRefusal(status: number, body: string, names: NameMap): EngineRefusal {
  const { message, param } = readError(body)
  if (status === 400 || status === 422) {
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

function readError(body: string): { message: string; param: string | undefined } {
  try {
    const value = JSON.parse(body) as { error?: { message?: unknown; param?: unknown } }
    const { message, param } = value.error ?? {}
    return {
      message:
        typeof message === 'string' ? message.slice(0, 2000) : 'The engine refused the request.',
      param: typeof param === 'string' ? param.replace(/^body\./, '') : undefined,
    }
  } catch {
    return { message: 'The engine refused the request.', param: undefined }
  }
}

function restoreNames(message: string, names: NameMap): string {
  return names.reduce((text, [inside, outside]) => text.replaceAll(inside, outside), message)
}

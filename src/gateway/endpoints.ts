import { LoraplexError } from '../errors.ts'

/** One inference endpoint: its path here and on the engine (the same, never joined from what a client sent). */
export interface InferenceEndpoint {
  readonly path: '/v1/chat/completions' | '/v1/completions'
  /** @throws LoraplexError invalid_request */
  check(body: Readonly<Record<string, unknown>>): void
}

export const inferenceEndpoints: readonly InferenceEndpoint[] = [
  { path: '/v1/chat/completions', check: checkChat },
  { path: '/v1/completions', check: checkCompletion },
]

function checkChat(body: Readonly<Record<string, unknown>>): void {
  const messages = body['messages']
  if (!Array.isArray(messages) || messages.length === 0) {
    throw invalid("The field 'messages' is required: a list with at least one message.", 'messages')
  }
  messages.forEach((message: unknown, index) => {
    if (typeof message !== 'object' || message === null || Array.isArray(message)) {
      throw invalid(
        `messages[${index}] must be an object with 'role' and 'content'.`,
        `messages[${index}]`,
      )
    }
    const { role, content } = message as { role?: unknown; content?: unknown }
    if (typeof role !== 'string') {
      throw invalid(`messages[${index}].role is required.`, `messages[${index}].role`)
    }
    if (Array.isArray(content)) {
      content.forEach((part: unknown, place) =>
        checkPart(part, `messages[${index}].content[${place}]`),
      )
    } else if (content !== undefined && content !== null && typeof content !== 'string') {
      const path = `messages[${index}].content`
      throw invalid(`${path} must be text or a list of parts.`, path)
    }
  })
}

/** I8: media would make the engine fetch URLs; a pool of text models takes text. */
function checkPart(part: unknown, path: string): void {
  const type =
    typeof part === 'object' && part !== null ? (part as { type?: unknown }).type : undefined
  if (type !== 'text' && type !== 'refusal') {
    throw invalid(`${path} must be of type 'text': this model takes text only.`, path)
  }
}

function checkCompletion(body: Readonly<Record<string, unknown>>): void {
  const { prompt } = body as { prompt?: unknown }
  if (
    prompt === undefined ||
    prompt === null ||
    prompt === '' ||
    (Array.isArray(prompt) && (prompt.length === 0 || prompt.includes('')))
  ) {
    throw invalid("The field 'prompt' is required and must not be empty.", 'prompt')
  }
  if (typeof prompt !== 'string' && !Array.isArray(prompt)) {
    throw invalid("The field 'prompt' must be a string or a list.", 'prompt')
  }
  if (Array.isArray(prompt) && typeof prompt[0] !== 'number' && prompt.length > maxPrompts) {
    throw invalid(`The field 'prompt' may hold at most ${maxPrompts} prompts.`, 'prompt')
  }
}

/** Prompts in one completion request; vLLM's own cap is 1,024. */
const maxPrompts = 64

function invalid(message: string, param: string): LoraplexError {
  return new LoraplexError('invalid_request', message, { param })
}

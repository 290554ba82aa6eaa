import { checkLogprobs } from './check-logprobs.ts'
import { invalid, type JsonObject } from './invalid.ts'

/** Prompts in one request; vLLM's own cap is 1,024. */
const maxPrompts = 64

export function checkCompletion(body: JsonObject): void {
  checkLogprobs(body, 'logprobs')
  const { prompt } = body
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

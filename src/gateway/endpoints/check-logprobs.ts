import { invalid, type JsonObject } from './invalid.ts'

/** OpenAI's bound, and the default of vLLM's `--max-logprobs`; to vLLM -1 is the whole vocabulary. */
const maxLogprobs = 20

/** The engine would name another field than the one that was sent. */
export function checkLogprobs(body: JsonObject, field: 'logprobs' | 'top_logprobs'): void {
  const count = body[field]
  if (count === undefined || count === null) {
    return
  }
  if (typeof count !== 'number' || !Number.isInteger(count) || count < 0 || count > maxLogprobs) {
    throw invalid(`The field '${field}' must be a whole number from 0 to ${maxLogprobs}.`, field)
  }
}

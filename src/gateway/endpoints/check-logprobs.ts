import { checkWhole } from './check-whole.ts'
import type { JsonObject } from './invalid.ts'

/** OpenAI's bound, and the default of vLLM's `--max-logprobs`; to vLLM -1 is the whole vocabulary. */
const maxLogprobs = 20

export function checkLogprobs(body: JsonObject, field: 'logprobs' | 'top_logprobs'): void {
  checkWhole(body, field, 0, maxLogprobs)
}

import type { RequestMeasure } from '../request/request-measure.ts'

/** `model.maxModelLen` is never larger. */
const largestWindow = 10_000_000

/** Tokens of the prompts at most. Images come with one prompt, which fits the context window or is refused by the engine. */
export function inputBoundOf(
  { inputTokens }: RequestMeasure,
  contextWindow: number | undefined,
): number {
  return Number.isFinite(inputTokens) ? inputTokens : (contextWindow ?? largestWindow)
}

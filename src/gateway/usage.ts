/** Tokens of one request as the engine counted them (I6). */
export interface Usage {
  readonly promptTokens: number
  readonly completionTokens: number
  readonly cachedTokens: number
  /** The stream ended early: at least this much was generated. */
  readonly lowerBound: boolean
}

/** The engine's own object, in OpenAI's words or in Anthropic's. */
interface UsageText {
  readonly prompt_tokens?: unknown
  readonly completion_tokens?: unknown
  readonly prompt_tokens_details?: { readonly cached_tokens?: unknown } | null
  readonly input_tokens?: unknown
  readonly output_tokens?: unknown
  readonly input_tokens_details?: { readonly cached_tokens?: unknown } | null
  readonly cache_read_input_tokens?: unknown
  readonly cache_creation_input_tokens?: unknown
}

/** Reads the engine's usage object; undefined where there is none or it is not one. */
export function parseUsage(text: string, lowerBound: boolean): Usage | undefined {
  if (text === '') {
    return undefined
  }
  try {
    const usage = JSON.parse(text) as UsageText
    const cached =
      usage.prompt_tokens_details?.cached_tokens ??
      usage.input_tokens_details?.cached_tokens ??
      usage.cache_read_input_tokens
    const prompt = usage.prompt_tokens ?? usage.input_tokens
    // Anthropic counts what was and what will be cached apart from the rest of the input.
    const apart =
      toCount(usage.cache_read_input_tokens) + toCount(usage.cache_creation_input_tokens)
    return typeof prompt === 'number'
      ? {
          promptTokens: prompt + apart,
          completionTokens: toCount(usage.completion_tokens ?? usage.output_tokens),
          cachedTokens: toCount(cached),
          lowerBound,
        }
      : undefined
  } catch {
    return undefined
  }
}

/**
 * Of a stream that ended early. Where the engine counts only at the end, each frame with content was a token at least.
 * @param frames with content since the engine last counted
 */
export function usageOfBroken(text: string, frames: number): Usage | undefined {
  const said = parseUsage(text, true)
  if (said === undefined && frames === 0) {
    return undefined
  }
  const { promptTokens = 0, completionTokens = 0, cachedTokens = 0 } = said ?? {}
  return {
    promptTokens,
    completionTokens: completionTokens + frames,
    cachedTokens,
    lowerBound: true,
  }
}

function toCount(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : 0
}

/** Tokens of one request as the engine counted them (I6). */
export interface Usage {
  readonly promptTokens: number
  readonly completionTokens: number
  readonly cachedTokens: number
  /** The stream ended early: at least this much was generated. */
  readonly lowerBound: boolean
}

/** Reads the engine's usage object; undefined where there is none or it is not one. */
export function parseUsage(text: string, lowerBound: boolean): Usage | undefined {
  if (text === '') {
    return undefined
  }
  try {
    const usage = JSON.parse(text) as {
      prompt_tokens?: unknown
      completion_tokens?: unknown
      prompt_tokens_details?: { cached_tokens?: unknown } | null
    }
    return typeof usage.prompt_tokens === 'number'
      ? {
          promptTokens: usage.prompt_tokens,
          completionTokens: toCount(usage.completion_tokens),
          cachedTokens: toCount(usage.prompt_tokens_details?.cached_tokens),
          lowerBound,
        }
      : undefined
  } catch {
    return undefined
  }
}

function toCount(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : 0
}

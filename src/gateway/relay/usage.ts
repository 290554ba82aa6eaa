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

/** What the engine said of a stream that ended early. */
export interface BrokenCount {
  /** The newest usage object's JSON text. */
  readonly usage: string
  /** Frames with content since then. */
  readonly frames: number
  /** The newest usage objects of the choices, by index: vLLM adds them up at the end only. */
  readonly choices: ReadonlyMap<number, string>
}

/**
 * Of a stream that ended early. Where the engine counts only at the end, each frame with content was a token at least.
 * @param choicesEach choices of each prompt; those of one prompt have it in common
 */
export function usageOfBroken(
  { usage, frames, choices }: BrokenCount,
  choicesEach = 1,
): Usage | undefined {
  const said = choices.size > 1 ? sumOf(choices, choicesEach) : parseUsage(usage, true)
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

function sumOf(choices: ReadonlyMap<number, string>, choicesEach: number): Usage {
  const prompts = new Set<number>()
  const sum = { promptTokens: 0, completionTokens: 0, cachedTokens: 0, lowerBound: true }
  for (const [choice, text] of choices) {
    const said = parseUsage(text, true)
    const prompt = Math.floor(choice / Math.max(1, choicesEach))
    sum.completionTokens += said?.completionTokens ?? 0
    if (!prompts.has(prompt)) {
      prompts.add(prompt)
      sum.promptTokens += said?.promptTokens ?? 0
      sum.cachedTokens += said?.cachedTokens ?? 0
    }
  }
  return sum
}

function toCount(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : 0
}

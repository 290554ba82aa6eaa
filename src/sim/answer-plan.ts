import type { AnswerText } from './text.ts'

export interface AnswerLimits {
  readonly maxTokens: number
  readonly minTokens: number
  readonly ignoreEos: boolean
  readonly stop: readonly string[]
  /** Words before the end token; undefined: what the text says. */
  readonly naturalTokens: number | undefined
}

export interface AnswerPlan {
  /** Token by token; the end token is the empty text. */
  readonly tokens: readonly string[]
  /** What a stream shows at each token: the tokens, or less where text is held back because it may begin a stop string. */
  readonly deltas: readonly string[]
  readonly finishReason: 'stop' | 'length'
  /** The stop string that ended it. */
  readonly stopReason: string | null
}

/** The whole answer in advance: the simulator's text depends on nothing that happens while it is generated. */
export function planAnswer(text: AnswerText, limits: AnswerLimits): AnswerPlan {
  const natural = Math.max(limits.naturalTokens ?? text.naturalTokens, limits.minTokens)
  const tokens: string[] = []
  while (tokens.length < limits.maxTokens && (limits.ignoreEos || tokens.length < natural)) {
    tokens.push(text.token(tokens.length))
  }
  const ended = tokens.length < limits.maxTokens
  if (ended) {
    tokens.push('')
  }
  const plan = {
    tokens,
    deltas: tokens,
    finishReason: ended ? 'stop' : 'length',
    stopReason: null,
  } as const
  return limits.stop.length === 0 ? plan : (stopped(tokens, limits.stop) ?? plan)
}

function stopped(tokens: readonly string[], stop: readonly string[]): AnswerPlan | undefined {
  const heldBack = Math.max(...stop.map((word) => word.length)) - 1
  const deltas: string[] = []
  let text = ''
  let shown = 0
  for (const [position, token] of tokens.entries()) {
    text += token
    const found = firstStop(text, stop)
    const isLast = position === tokens.length - 1
    const end = found?.at ?? (isLast ? text.length : Math.max(shown, text.length - heldBack))
    deltas.push(text.slice(shown, end))
    shown = Math.max(shown, end)
    if (found !== undefined) {
      const used = tokens.slice(0, position + 1)
      return { tokens: used, deltas, finishReason: 'stop', stopReason: found.word }
    }
  }
  return undefined
}

function firstStop(
  text: string,
  stop: readonly string[],
): { at: number; word: string } | undefined {
  let first: { at: number; word: string } | undefined
  for (const word of stop) {
    const at = text.indexOf(word)
    if (at >= 0 && (first === undefined || at < first.at)) {
      first = { at, word }
    }
  }
  return first
}

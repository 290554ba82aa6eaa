import { smallestOf, type TargetTerms, type Terms } from '../../core/terms.ts'
import { LoraplexError } from '../../errors.ts'
import type { RequestMeasure } from '../request/request-measure.ts'

/** How long one answer can get. */
export interface OutputBound {
  /** Tokens of one answer at most; 0 where nothing is generated. */
  readonly tokens: number
  /** The engine has to be told, because the caller did not. */
  readonly isOurs: boolean
}

/**
 * Without a cap and with a context window that nobody wrote down: vLLM refuses a cap above its window, and smaller windows
 * are rare.
 */
const unknownWindow = 2048

/**
 * The caller's own cap; else the smallest `maxOutputTokens`; else the context window, above which the engine does not go.
 * @param mustBeKnown tokens or money have to be held
 * @throws LoraplexError invalid_request where the caller asks for more than it may
 */
export function outputBoundOf(
  { outputCap: given, answers, capField }: RequestMeasure,
  terms: Terms,
  target: TargetTerms | undefined,
  contextWindow: number | undefined,
  mustBeKnown: boolean,
): OutputBound {
  if (answers === 0) {
    return { tokens: 0, isOurs: false }
  }
  const most = smallestOf('maxOutputTokens', terms, target)
  if (most !== undefined && (most.value === 0 || (given ?? 0) > most.value)) {
    throw new LoraplexError(
      'invalid_request',
      `An answer may have at most ${most.value} tokens (maxOutputTokens of the ${most.scope}). Ask for no more with '${capField}'.`,
      { param: capField },
    )
  }
  const window = contextWindow ?? Number.POSITIVE_INFINITY
  if (given !== undefined) {
    return { tokens: Math.min(given, window), isOurs: false }
  }
  if (most !== undefined) {
    return { tokens: Math.min(most.value, window), isOurs: true }
  }
  if (contextWindow !== undefined) {
    return { tokens: contextWindow, isOurs: false }
  }
  return { tokens: unknownWindow, isOurs: mustBeKnown }
}

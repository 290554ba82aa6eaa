import { hasJustBegun } from '../../core/route-cost.ts'

/** One request at an engine, as its gateway counts it. */
export interface Work {
  /** `undefined` is the base model. */
  readonly revision: string | undefined
  /** Of its prompt, those that the engine has to read. */
  readonly promptTokens: number
  /** Those that it reads up to this one's first token: what was there before, and its own. */
  readonly tokensToRead: number
  /** When it went there; milliseconds, monotonic. */
  readonly sentAtMs: number
  /** Its answer comes as it is written: it is known how far it is. */
  readonly isStreamed: boolean
  /** Of its answer, as is expected by now. */
  expectedTokens: number
  /** Of those, not written yet. */
  remainingTokens: number
  /** Its prompt has been read: there is a first token, or it has ended. */
  isRead: boolean
}

/** Of its answer hardly anything is written, as far as is known. */
export function hasOnlyBegun({ isStreamed, remainingTokens, expectedTokens }: Work): boolean {
  return isStreamed && hasJustBegun(remainingTokens, expectedTokens)
}

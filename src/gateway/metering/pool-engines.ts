import type { PromptQuestion } from '../request/prompt-question.ts'

/** A pool's engines, as far as a charge has to do with them. */
export interface PoolEngines {
  /** Tokens of a prompt and its answer together: the smallest of them; undefined where none said. */
  readonly contextWindow: number | undefined
  /** Undefined where none could say in time. */
  count(question: PromptQuestion): Promise<number | undefined>
}

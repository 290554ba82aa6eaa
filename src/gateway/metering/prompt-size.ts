import type { Scope } from '../../core/terms.ts'
import { LoraplexError } from '../../errors.ts'
import type { InferenceRequest } from '../request/inference-request.ts'
import type { PromptQuestion } from '../request/prompt-question.ts'

interface InputLimit {
  readonly value: number
  readonly scope: Scope
}

/**
 * How long a request's prompts are together: by their bytes, a bound that costs nothing, until an engine is asked. That is
 * done once at most, and only where the bound is in the way.
 */
export class PromptSize {
  readonly #request: InferenceRequest
  readonly #limit: InputLimit | undefined
  readonly #count: (question: PromptQuestion) => Promise<number | undefined>
  #tokens: number
  #isExact = false
  #wasAsked = false

  constructor(
    request: InferenceRequest,
    bound: number,
    limit: InputLimit | undefined,
    count: (question: PromptQuestion) => Promise<number | undefined>,
  ) {
    this.#request = request
    this.#limit = limit
    this.#count = count
    this.#tokens = bound
  }

  /** At most, as far as is known. */
  get tokens(): number {
    return this.#tokens
  }

  /** An engine could say more. Of images none does beforehand. */
  get canBeAsked(): boolean {
    const { question, measure } = this.#request
    return !this.#wasAsked && question !== undefined && Number.isFinite(measure.inputTokens)
  }

  /** `maxInputTokens` may be too small for it. */
  get isInDoubt(): boolean {
    return this.#limit !== undefined && this.#tokens > this.#limit.value
  }

  /** Answers whether the engine knew. */
  async ask(): Promise<boolean> {
    const { question } = this.#request
    if (!this.canBeAsked || question === undefined) {
      return this.#isExact
    }
    this.#wasAsked = true
    const tokens = await this.#count(question)
    this.#isExact = tokens !== undefined
    this.#tokens = tokens ?? this.#tokens
    return this.#isExact
  }

  /** Rejects with a LoraplexError where the prompt is longer than it may be, or nobody could say that it is not. */
  async requireAllowed(): Promise<void> {
    const limit = this.#limit
    if (limit === undefined || !this.isInDoubt) {
      return
    }
    // Nothing fits into nothing.
    if (limit.value > 0) {
      await this.ask()
    }
    if (this.isInDoubt) {
      const { promptField } = this.#request.measure
      throw new LoraplexError(
        'context_length_exceeded',
        `A prompt may have at most ${limit.value} tokens (maxInputTokens of the ${limit.scope}), and ${this.#words()}. Send a shorter '${promptField}'.`,
        { param: promptField },
      )
    }
  }

  #words(): string {
    return this.#isExact
      ? `this one has ${this.#tokens}`
      : `this one may have up to ${this.#tokens}, by its bytes; no engine counted it`
  }
}

import type { ServedTokens } from '../../core/fair-share.ts'

/**
 * What a pool's requests ask of engines, in tokens since the process started. A prompt counts when it comes, by its size,
 * and is put right once an engine has counted it: what waits in a queue is work already. No number here ever falls; what
 * was counted too much is taken from what comes next.
 */
export class TokenTotals {
  #requests = 0
  #input = 0
  #inputShown = 0
  #output = 0
  #answers = 0

  /** That came to the queue and want an answer, not a count of tokens. */
  get requests(): number {
    return this.#requests
  }

  /** Of their prompts, those that engines have to read. */
  get input(): number {
    this.#inputShown = Math.max(this.#inputShown, Math.round(this.#input))
    return this.#inputShown
  }

  /** Of answers that engines counted. */
  get output(): number {
    return this.#output
  }

  get answers(): number {
    return this.#answers
  }

  arrived(inputTokens: number): void {
    this.#requests += 1
    this.#input += inputTokens
  }

  /** An engine counted an answer; its prompt was thought to have so many tokens. */
  ended(expectedInput: number, { input, output }: ServedTokens): void {
    this.#input += input - expectedInput
    this.#output += output
    this.#answers += 1
  }
}

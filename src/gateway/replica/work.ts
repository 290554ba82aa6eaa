/** One request at an engine, as its gateway counts it. */
export interface Work {
  /** `undefined` is the base model. */
  readonly revision: string | undefined
  /** Of its prompt, those that the engine has to read. */
  readonly promptTokens: number
  /** Expected of its answer and not written yet. */
  remainingTokens: number
  /** Its prompt has been read: there is a first token, or it has ended. */
  isRead: boolean
}

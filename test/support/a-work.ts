import type { Work } from '../../src/gateway/replica/work.ts'

/** A request at an engine, with ten tokens of prompt. */
export function aWork(revision: string | undefined, fields: Partial<Work> = {}): Work {
  return {
    revision,
    promptTokens: 10,
    tokensToRead: 10,
    sentAtMs: 0,
    isStreamed: true,
    remainingTokens: 0,
    isRead: false,
    ...fields,
    expectedTokens: fields.expectedTokens ?? fields.remainingTokens ?? 0,
  }
}

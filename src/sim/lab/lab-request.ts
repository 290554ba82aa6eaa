import type { ModelAdapter, ModelRequest } from '../model-types.ts'
import type { TapeRequest } from './tape.ts'

/** One request on its way through the lab; times are milliseconds of virtual time, NaN while they lie ahead. */
export class LabRequest implements ModelRequest {
  readonly entry: TapeRequest
  readonly adapter: ModelAdapter | undefined
  readonly promptTokens: number
  readonly outputTokens: number
  readonly blocks: readonly number[]
  /** What a policy may assume of its length, before it ends. */
  readonly expectedOutput: number
  sentMs = Number.NaN
  firstTokenMs = Number.NaN
  endMs = Number.NaN
  replica = -1

  constructor(
    entry: TapeRequest,
    adapter: ModelAdapter | undefined,
    expectedOutput: number,
    blocks: readonly number[],
  ) {
    this.entry = entry
    this.adapter = adapter
    this.promptTokens = entry.inputTokens
    this.outputTokens = entry.outputTokens
    this.expectedOutput = expectedOutput
    this.blocks = blocks
  }

  get arrivedMs(): number {
    return this.entry.atMs
  }

  /** Milliseconds from arrival to the first token. */
  get ttftMs(): number {
    return this.firstTokenMs - this.entry.atMs
  }

  /** Milliseconds between tokens; 0 for an answer of one token. */
  get tpotMs(): number {
    return this.outputTokens < 2 ? 0 : (this.endMs - this.firstTokenMs) / (this.outputTokens - 1)
  }
}

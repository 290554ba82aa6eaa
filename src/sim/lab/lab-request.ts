import type { ModelAdapter, ModelRequest } from '../model-types.ts'
import type { TapeRequest } from './tape.ts'

/** Adapters of a tape are fewer; blocks of a tape go up to 2³³. Together they stay exact in a number. */
const mostAdapters = 2 ** 20

/** One request on its way through the lab; times are milliseconds of virtual time, NaN while they lie ahead. */
export class LabRequest implements ModelRequest {
  readonly entry: TapeRequest
  readonly adapter: ModelAdapter | undefined
  readonly promptTokens: number
  readonly outputTokens: number
  /** The tape's, with the adapter in each: nothing is shared between adapters, or between one and the base. */
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
    this.blocks = ownBlocks(blocks, adapter?.id ?? 0)
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

function ownBlocks(blocks: readonly number[], adapterId: number): readonly number[] {
  return blocks.map((block) => block * mostAdapters + adapterId)
}

import type { LoraplexError } from '../../errors.ts'
import type { FrameRewriter, RewriteOptions, StreamTrail } from './frame-rewriter.ts'

/** How an API writes its answers, as far as the way through the gateway depends on it. */
export interface AnswerForm {
  /** Every whole answer says which model gave it (I1); where none does, there is nothing of a tenant's in it. */
  readonly named: boolean
  /** The engine was stopped on the way, though it looks like an end. `rest` is what follows the model's name. */
  isAborted(rest: string): boolean
  /** Absent where nothing is streamed. */
  readonly stream?: StreamForm
}

/** How an API frames its streams. */
export interface StreamForm {
  /** What asks the engine for one: entries of the body, a comma in front. */
  readonly ask: string
  /** Longer ones end the stream. */
  readonly maxFrameBytes: number
  /** Says that we are still there. */
  readonly keepAlive: string
  rewriter(options: RewriteOptions): FrameRewriter
  /** The frames that tell a reader that the stream ended badly, as UTF-8. */
  ending(error: LoraplexError, id: string, trail: StreamTrail): string
}

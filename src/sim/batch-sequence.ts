import type { ModelRequest, Sequence } from './model-types.ts'
import { blockTokens } from './prefix-cache.ts'
import type { Waiting } from './waiting-queue.ts'

export interface BatchSequence<R extends ModelRequest> extends Sequence<R>, Waiting {
  startedMs: number | undefined
  firstTokenMs: number | undefined
  generated: number
  cachedTokens: number
  garbled: boolean
  preemptions: number
  /** Prompt tokens (after a preemption: generated ones too) still to compute. */
  prefillLeft: number
  /** Tokens computed in the present step. */
  scheduled: number
  kvBlocks: number
  isRunning: boolean
}

export function newSequence<R extends ModelRequest>(request: R, nowMs: number): BatchSequence<R> {
  return {
    request,
    line: request.adapter?.id ?? 0,
    order: 0,
    arrivedMs: nowMs,
    startedMs: undefined,
    firstTokenMs: undefined,
    generated: 0,
    cachedTokens: 0,
    garbled: false,
    preemptions: 0,
    prefillLeft: request.promptTokens,
    scheduled: 0,
    kvBlocks: 0,
    isRunning: false,
  }
}

/** KV blocks that its prompt and what it has generated take. */
export function blocksOf<R extends ModelRequest>(sequence: BatchSequence<R>): number {
  return Math.ceil((sequence.request.promptTokens + sequence.generated) / blockTokens)
}

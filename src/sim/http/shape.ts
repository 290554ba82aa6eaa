import type { Generation } from '../generation.ts'

export type Finish = 'stop' | 'length'

/** What one chunk of a stream has to say. */
export interface ChunkPart {
  readonly generation: Generation
  readonly index: number
  /** Of the token, from 0. */
  readonly position: number
  readonly delta: string
  /** Set in the last chunk of this choice. */
  readonly finish: Finish | undefined
}

/** One API's way to write an answer. Frames are whole server-sent events with their blank line; '' for none. */
export interface AnswerShape {
  /** Sent with the first token of the first choice. */
  opening(generations: readonly Generation[]): string
  chunk(part: ChunkPart): string
  /** After the last choice ended, `[DONE]` included where the API has it. */
  closing(generations: readonly Generation[]): string
  /** The answer without a stream. */
  whole(generations: readonly Generation[], finishes: readonly Finish[]): string
  /** An error inside a stream and the stream's end. */
  broken(message: string): string
}

/** The way of an API that never streams. */
export abstract class WholeShape implements AnswerShape {
  opening = none
  chunk = none
  closing = none
  broken = none
  abstract whole(generations: readonly Generation[]): string
}

/** What every shape of one request needs. */
export interface AnswerFrame {
  readonly id: string
  /** Unix seconds. */
  readonly created: number
  /** What the answer calls the model. */
  readonly model: string
  readonly includeUsage: boolean
  readonly continuousUsage: boolean
  /** Cached tokens in usage. */
  readonly promptTokensDetails: boolean
  readonly fingerprint: string | null
}

export interface Usage {
  readonly prompt: number
  readonly completion: number
  readonly cached: number
}

/** Tokens of a whole answer; choices of one prompt share it (`choicesPerPrompt`). */
export function usageOf(generations: readonly Generation[], choicesPerPrompt: number): Usage {
  let prompt = 0
  let completion = 0
  for (const [i, generation] of generations.entries()) {
    prompt += i % choicesPerPrompt === 0 ? generation.promptTokens : 0
    completion += generation.generated
  }
  return { prompt, completion, cached: generations[0]?.cachedTokens ?? 0 }
}

export function usageCounts({ prompt, completion }: Pick<Usage, 'prompt' | 'completion'>): string {
  return `"prompt_tokens":${prompt},"total_tokens":${prompt + completion},"completion_tokens":${completion}`
}

function none(): string {
  return ''
}

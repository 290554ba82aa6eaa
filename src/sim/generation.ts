import type { AdapterContent } from './adapter-content.ts'
import { planAnswer, type AnswerLimits, type AnswerPlan } from './answer-plan.ts'
import { embed } from './embedding.ts'
import { tokenPlaceholder, tokenText, topLogprobs, type TokenLogprob } from './logprobs.ts'
import type { ModelAdapter, ModelRequest } from './model-types.ts'
import { AnswerText, baseVoice, garbageVoice, type Voice } from './text.ts'

export interface GenerationSpec extends AnswerLimits {
  readonly adapter: ModelAdapter | undefined
  readonly prompt: string
  readonly promptTokens: number
  readonly blocks: readonly number[]
  /** Top-k log probabilities wanted a token; undefined: none. */
  readonly logprobs: number | undefined
  /** Name tokens `token_id:N` in log probabilities. */
  readonly tokensAsIds?: boolean
  /** Of an embedding; absent where text is generated. */
  readonly dimensions?: number
}

/** Who hears of one generation. `token` comes once a token, in order. */
export interface GenerationListener {
  token(generation: Generation, position: number, last: boolean): void
  /** The engine died, or was shut down, before its last token. */
  cut(generation: Generation): void
}

/** Answers that are garbage know no end token; this one ends when nothing else does. */
const longestGarbage = 512

/** One sequence the engine generates: one prompt, one choice. */
export class Generation implements ModelRequest {
  readonly adapter: ModelAdapter | undefined
  readonly promptTokens: number
  readonly blocks: readonly number[]
  readonly spec: GenerationSpec
  readonly listener: GenerationListener
  readonly #random: () => number
  #voice: Voice = baseVoice
  #plan: AnswerPlan | undefined
  /** Tokens generated so far. */
  generated = 0
  cachedTokens = 0
  /** When its newest token came. */
  lastTokenMs = 0

  constructor(spec: GenerationSpec, listener: GenerationListener, random: () => number) {
    this.spec = spec
    this.adapter = spec.adapter
    this.promptTokens = spec.promptTokens
    this.blocks = spec.blocks
    this.listener = listener
    this.#random = random
  }

  /** Its adapter's weights are in the engine now: what it will say is settled. */
  start(content: AdapterContent | undefined, garbled: boolean, cachedTokens: number): void {
    this.#voice = garbled ? garbageVoice : (content?.voice ?? baseVoice)
    this.cachedTokens = cachedTokens
    const isGarbage = this.#voice.voice === 'Garbage'
    this.#plan = planAnswer(new AnswerText(this.#voice, this.spec.prompt), {
      ...this.spec,
      naturalTokens: isGarbage ? longestGarbage : this.spec.naturalTokens,
    })
  }

  get outputTokens(): number {
    return Math.max(1, this.#plan?.tokens.length ?? 1)
  }

  get finishReason(): 'stop' | 'length' {
    return this.#plan?.finishReason ?? 'length'
  }

  get stopReason(): string | null {
    return this.#plan?.stopReason ?? null
  }

  /** What a stream shows at this token. */
  delta(position: number): string {
    return this.#plan?.deltas[position] ?? ''
  }

  token(position: number): string {
    return this.#plan?.tokens[position] ?? ''
  }

  /** Everything generated so far. */
  get text(): string {
    return this.#plan?.deltas.slice(0, this.generated).join('') ?? ''
  }

  logprobs(position: number): readonly TokenLogprob[] {
    const top = topLogprobs(
      this.#voice,
      this.spec.prompt,
      position,
      tokenText(this.token(position)),
      this.spec.logprobs ?? 1,
      this.#random,
    )
    return this.spec.tokensAsIds === true
      ? top.map(({ token, logprob }) => ({ token: tokenPlaceholder(token), logprob }))
      : top
  }

  /** What an engine that embeds makes of the prompt. */
  get embedding(): readonly number[] {
    return embed(this.#voice, this.spec.prompt, this.spec.dimensions ?? 0, this.#random)
  }

  /** False: its log probabilities are NaN, which vLLM cannot write as JSON. */
  get hasFiniteLogprobs(): boolean {
    return this.#voice.voice !== 'Garbage'
  }
}

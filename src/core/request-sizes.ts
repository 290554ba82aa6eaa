import { ForgetfulMean } from './forgetful-mean.ts'

/** Whose answers are alike. */
export interface AnswerKind {
  /** `undefined` is the base model. */
  readonly revision: string | undefined
  readonly tenant: string
}

/** Means that are kept; those that were of no use for longest go. */
const maxMeans = 16_384

/** Of a body, until the first engine counted; English text has about so many. */
const firstBytesPerToken = 4

/** How long prompts and answers of a pool's requests are, learned from what its engines counted. */
export class RequestSizes {
  readonly #byKind = new Map<string, ForgetfulMean>()
  readonly #all = new ForgetfulMean()
  readonly #tokensPerByte = new ForgetfulMean()

  /** Tokens of a prompt in a body of so many bytes. */
  promptTokens(sizeBytes: number): number {
    return sizeBytes * (this.#tokensPerByte.value ?? 1 / firstBytesPerToken)
  }

  /** Tokens of an answer: as this adapter's were for this tenant, else as the pool's were; 0 while there was none. */
  outputTokens(kind: AnswerKind): number {
    return this.#byKind.get(keyOf(kind))?.value ?? this.#all.value ?? 0
  }

  /** An engine counted. */
  note(kind: AnswerKind, sizeBytes: number, inputTokens: number, outputTokens: number): void {
    if (sizeBytes > 0 && inputTokens > 0) {
      this.#tokensPerByte.note(inputTokens / sizeBytes)
    }
    this.#all.note(outputTokens)
    this.#meanOf(kind).note(outputTokens)
  }

  #meanOf(kind: AnswerKind): ForgetfulMean {
    const key = keyOf(kind)
    const mean = this.#byKind.get(key) ?? new ForgetfulMean()
    this.#byKind.delete(key)
    this.#byKind.set(key, mean)
    const [oldest] = this.#byKind.size > maxMeans ? this.#byKind.keys() : []
    if (oldest !== undefined) {
      this.#byKind.delete(oldest)
    }
    return mean
  }
}

function keyOf({ revision = '', tenant }: AnswerKind): string {
  return `${revision} ${tenant}`
}

import type { Generation } from '../generation.ts'
import { usageOf, type AnswerFrame, type AnswerShape } from './shape.ts'

export type EncodingFormat = 'float' | 'base64'

/** `/v1/embeddings`; one generation a text. Nothing is streamed. */
export class EmbeddingShape implements AnswerShape {
  readonly #frame: AnswerFrame
  readonly #format: EncodingFormat

  constructor(frame: AnswerFrame, format: EncodingFormat) {
    this.#frame = frame
    this.#format = format
  }

  opening = none
  chunk = none
  closing = none
  broken = none

  whole(generations: readonly Generation[]): string {
    const { id, created, model } = this.#frame
    const data = generations.map((generation, index) => {
      const { embedding } = generation
      const text =
        this.#format === 'float'
          ? JSON.stringify(embedding)
          : `"${Buffer.from(new Float32Array(embedding).buffer).toString('base64')}"`
      return `{"index":${index},"object":"embedding","embedding":${text}}`
    })
    return `{"id":"${id}","object":"list","created":${created},"model":${JSON.stringify(model)},"data":[${data.join(',')}],"usage":${embeddingUsage(generations)}}`
  }
}

export function embeddingUsage(generations: readonly Generation[]): string {
  const { prompt } = usageOf(generations, 1)
  return `{"prompt_tokens":${prompt},"total_tokens":${prompt},"completion_tokens":0,"prompt_tokens_details":null,"completion_tokens_details":null}`
}

function none(): string {
  return ''
}

import type { Generation } from '../generation.ts'
import { usageOf, WholeShape, type AnswerFrame } from './shape.ts'

export type EncodingFormat = 'float' | 'base64'

/** `/v1/embeddings`; one generation a text. Nothing is streamed. */
export class EmbeddingShape extends WholeShape {
  readonly #frame: AnswerFrame
  readonly #format: EncodingFormat

  constructor(frame: AnswerFrame, format: EncodingFormat) {
    super()
    this.#frame = frame
    this.#format = format
  }

  whole(generations: readonly Generation[]): string {
    const data = generations.map((generation, index) => {
      const { embedding } = generation
      const text =
        this.#format === 'float'
          ? JSON.stringify(embedding)
          : `"${Buffer.from(new Float32Array(embedding).buffer).toString('base64')}"`
      return `{"index":${index},"object":"embedding","embedding":${text}}`
    })
    return listAnswer(this.#frame, data, generations)
  }
}

/** @param data JSON objects. */
export function listAnswer(
  { id, created, model }: AnswerFrame,
  data: readonly string[],
  generations: readonly Generation[],
): string {
  const { prompt } = usageOf(generations, 1)
  const usage = `{"prompt_tokens":${prompt},"total_tokens":${prompt},"completion_tokens":0,"prompt_tokens_details":null,"completion_tokens_details":null}`
  return `{"id":"${id}","object":"list","created":${created},"model":${JSON.stringify(model)},"data":[${data.join(',')}],"usage":${usage}}`
}

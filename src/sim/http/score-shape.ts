import { similarity } from '../embedding.ts'
import type { Generation } from '../generation.ts'
import { listAnswer } from './embedding-shape.ts'
import { usageOf, WholeShape, type AnswerFrame } from './shape.ts'

/** `/v1/score`: the left texts' generations first, then the right ones'. */
export class ScoreShape extends WholeShape {
  readonly #frame: AnswerFrame
  readonly #lefts: number

  constructor(frame: AnswerFrame, lefts: number) {
    super()
    this.#frame = frame
    this.#lefts = lefts
  }

  whole(generations: readonly Generation[]): string {
    const data = scoresOf(generations, this.#lefts).map(
      (score, index) => `{"index":${index},"object":"score","score":${score}}`,
    )
    return listAnswer(this.#frame, data, generations)
  }
}

/** `/v1/rerank`: the query's generation first. */
export class RerankShape extends WholeShape {
  readonly #frame: AnswerFrame
  readonly #documents: readonly string[]
  readonly #most: number

  constructor(frame: AnswerFrame, documents: readonly string[], most: number) {
    super()
    this.#frame = frame
    this.#documents = documents
    this.#most = most
  }

  whole(generations: readonly Generation[]): string {
    const { id, model } = this.#frame
    const { prompt } = usageOf(generations, 1)
    const results = scoresOf(generations, 1)
      .map((score, index) => ({ score, index }))
      .sort((left, right) => right.score - left.score)
      .slice(0, this.#most)
      .map(({ score, index }) => {
        const text = JSON.stringify(this.#documents[index] ?? '')
        return `{"index":${index},"document":{"text":${text},"multi_modal":null},"relevance_score":${score}}`
      })
    return `{"id":"${id}","model":${JSON.stringify(model)},"usage":{"prompt_tokens":${prompt},"total_tokens":${prompt}},"results":[${results.join(',')}]}`
  }
}

/** One left text with each right one, or one with one. */
function scoresOf(generations: readonly Generation[], lefts: number): readonly number[] {
  const left = generations.slice(0, lefts)
  return generations
    .slice(lefts)
    .map((right, at) =>
      similarity((left[lefts === 1 ? 0 : at] ?? right).embedding, right.embedding),
    )
}

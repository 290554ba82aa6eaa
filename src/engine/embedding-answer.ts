import { z } from 'zod'
import { parseJson } from './engine-message.ts'
import { readCanaryAnswer } from './canary-answer.ts'
import type { CanaryOutcome } from './types.ts'

const embeddingBody = z.object({
  data: z.array(z.object({ embedding: z.array(z.number()) })).min(1),
})

/**
 * What an answer of `/v1/embeddings` means for a canary: one position, whose numbers are scaled so that they are of the
 * size of log probabilities, whatever the number of dimensions.
 */
export function readEmbeddingAnswer(status: number, body: string): CanaryOutcome {
  const [first] = embeddingBody.safeParse(parseJson(body)).data?.data ?? []
  if (status !== 200 || first === undefined) {
    const outcome = readCanaryAnswer(status, body)
    return outcome.outcome === 'Answered'
      ? { outcome: 'Failed', status, message: 'The answer is no embedding.' }
      : outcome
  }
  const { embedding } = first
  const scale = Math.sqrt(embedding.length)
  const position = new Map(embedding.map((value, at) => [`dimension:${at}`, value * scale]))
  return { outcome: 'Answered', answer: { text: '', positions: [position] } }
}

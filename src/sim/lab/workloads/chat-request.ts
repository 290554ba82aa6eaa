import { lengthOf, type Random } from '../random.ts'
import type { TapeRequest } from '../tape.ts'

/** Means of ShareGPT as the calibration runs have them (arXiv:2508.08343), and how far single requests are from them. */
const inputMean = 222
const outputMean = 195
const inputCv = 1.2
const outputCv = 1

/** A request with lengths as chats have them; one adapter a tenant, unless it says another. */
export function chatRequest(
  random: Random,
  atMs: number,
  adapter: string,
  tenant = adapter,
): TapeRequest {
  return {
    atMs,
    tenant,
    adapter,
    inputTokens: lengthOf(random, inputMean, inputCv),
    outputTokens: lengthOf(random, outputMean, outputCv),
    blocks: [],
  }
}

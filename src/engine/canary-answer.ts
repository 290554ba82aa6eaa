import { z } from 'zod'
import { engineMessage, parseJson } from './engine-message.ts'
import type { CanaryOutcome } from './types.ts'

const completionBody = z.object({
  choices: z
    .array(
      z.object({
        text: z.string(),
        logprobs: z.object({
          token_logprobs: z.array(z.number().nullable()),
          top_logprobs: z.array(z.record(z.string(), z.number().nullable()).nullable()),
        }),
      }),
    )
    .min(1),
})

/** What an answer of `/v1/completions` with `logprobs` means for a canary. */
export function readCanaryAnswer(status: number, body: string): CanaryOutcome {
  if (status !== 200) {
    const message = engineMessage(status, body)
    // Python's JSON writer refuses NaN and infinity; the generation itself went through.
    return message.includes('Out of range float values')
      ? { outcome: 'NonFinite', message }
      : { outcome: 'Failed', status, message }
  }
  const json = parseJson(body)
  if (json === undefined && /[:,[]\s*-?(?:NaN|Infinity)\b/.test(body)) {
    return { outcome: 'NonFinite', message: 'The answer holds NaN or infinity.' }
  }
  const choice = completionBody.safeParse(json).data?.choices[0]
  if (choice === undefined) {
    return { outcome: 'Failed', status, message: 'The answer is no completion with logprobs.' }
  }
  const { top_logprobs: top, token_logprobs: chosen } = choice.logprobs
  const positions = top.map((entries) => finiteEntries(entries ?? {}))
  // vLLM writes null where a log probability is NaN or infinite (seen in streams).
  const isFinite =
    chosen.every((value) => value !== null) && positions.every((entries) => entries !== undefined)
  return isFinite
    ? {
        outcome: 'Answered',
        answer: {
          text: choice.text,
          positions: positions.filter((entries) => entries !== undefined),
        },
      }
    : { outcome: 'NonFinite', message: 'The answer holds log probabilities that are not finite.' }
}

function finiteEntries(
  entries: Readonly<Record<string, number | null>>,
): ReadonlyMap<string, number> | undefined {
  const finite = new Map<string, number>()
  for (const [token, logprob] of Object.entries(entries)) {
    if (logprob === null) {
      return undefined
    }
    finite.set(token, logprob)
  }
  return finite
}

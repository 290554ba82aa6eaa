import { randomUUID } from 'node:crypto'
import type { Positions } from '../core/canary.ts'
import type { EngineProcess } from './engine-link.ts'
import type { CanarySettings } from './options.ts'

export type AskOutcome =
  | { readonly outcome: 'Answered'; readonly answers: readonly Positions[] }
  | { readonly outcome: 'NonFinite' }
  | { readonly outcome: 'Failed'; readonly status: number; readonly message: string }
  | { readonly outcome: 'EngineGone'; readonly message: string }

/** All canary prompts at once, greedily, each with a salt of its own so that no answer comes out of a cache. */
export async function askEngine(
  process: EngineProcess,
  model: string,
  tokens: number,
  { prompts, logprobs }: Pick<CanarySettings, 'prompts' | 'logprobs'>,
): Promise<AskOutcome> {
  const outcomes = await Promise.all(
    prompts.map((prompt) =>
      process.client.complete(
        { model, prompt, tokens, logprobs, cacheSalt: randomUUID() },
        process.signal,
      ),
    ),
  )
  const bad =
    outcomes.find((it) => it.outcome === 'EngineGone') ??
    outcomes.find((it) => it.outcome === 'NonFinite') ??
    outcomes.find((it) => it.outcome === 'Failed')
  if (bad !== undefined) {
    return bad.outcome === 'NonFinite' ? { outcome: 'NonFinite' } : bad
  }
  return {
    outcome: 'Answered',
    answers: outcomes.flatMap((it) => (it.outcome === 'Answered' ? [it.answer.positions] : [])),
  }
}

import { judgeCanary, smallestEffect, type CanaryVerdict, type Positions } from '../core/canary.ts'
import { askEngine } from './ask-engine.ts'
import type { BaseVoice } from './base-voice.ts'
import type { EngineProcess } from './engine-link.ts'
import type { CanarySettings } from './options.ts'

export type CanaryResult =
  | CanaryVerdict
  | { readonly verdict: 'Failed'; readonly status: number; readonly message: string }
  | { readonly verdict: 'EngineGone'; readonly message: string }

/**
 * Asks the adapter and the base the same. One token tells most adapters from their base, by so much that a base of some
 * seconds ago will do; only one that it does not is asked for more, and of the base in the same second, before it counts
 * as without effect. Warms the adapter's slot, too.
 */
export async function runCanary(
  process: EngineProcess,
  model: string,
  base: BaseVoice,
  settings: CanarySettings,
): Promise<CanaryResult> {
  const { tokens, baseMaxAgeMs, baseRoughAgeMs } = settings
  const quick = await compare(process, model, base, settings, 1, baseRoughAgeMs)
  const isClear = quick.verdict === 'Effective' && quick.difference > clearEffect
  const isOpen = quick.verdict === 'Effective' || quick.verdict === 'NoEffect'
  return isOpen && !isClear ? compare(process, model, base, settings, tokens, baseMaxAgeMs) : quick
}

/** In log probability: a hundred times the smallest effect. */
const clearEffect = 100 * smallestEffect

async function compare(
  process: EngineProcess,
  model: string,
  base: BaseVoice,
  settings: CanarySettings,
  tokens: number,
  baseAgeMs: number,
): Promise<CanaryResult> {
  // The base first: if it is not finite already, this adapter is not the one to blame.
  const said = await base.recent(process, tokens, baseAgeMs)
  if (said.outcome !== 'Answered') {
    return said.outcome === 'NonFinite' ? { verdict: 'BaseNonFinite' } : failed(said)
  }
  const asked = await askEngine(process, model, tokens, settings)
  if (asked.outcome !== 'Answered') {
    return asked.outcome === 'NonFinite' ? { verdict: 'NonFinite' } : failed(asked)
  }
  const evidence = { base: cut(said.base, tokens), baseAgain: cut(said.baseAgain, tokens) }
  return judgeCanary({ adapter: asked.answers, ...evidence })
}

/** The noise of positions the adapter was not asked for says nothing about it. */
function cut(answers: readonly Positions[], tokens: number): readonly Positions[] {
  return answers.map((positions) => positions.slice(0, tokens))
}

function failed(
  outcome:
    | { readonly outcome: 'Failed'; readonly status: number; readonly message: string }
    | { readonly outcome: 'EngineGone'; readonly message: string },
): CanaryResult {
  return outcome.outcome === 'Failed'
    ? { verdict: 'Failed', status: outcome.status, message: outcome.message }
    : { verdict: 'EngineGone', message: outcome.message }
}

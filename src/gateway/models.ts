import type { Caller, RouteTarget } from '../core/resolve.ts'
import { LoraplexError } from '../errors.ts'
import { contextWindowOf } from './metering/context-window.ts'

/** What engines of a pool say of themselves, as far as tenants see it. */
export interface PoolFacts {
  readonly simulated: boolean
  /** Tokens of prompt and answer together: the smallest of its engines. */
  readonly contextWindow: number | undefined
}

/** One entry of `GET /v1/models`: OpenAI's fields, and what is special here under `loraplex`. */
export function modelEntry(target: RouteTarget, facts: PoolFacts): object {
  const contextWindow = contextWindowOf(target.pool, facts.contextWindow) ?? null
  return {
    id: target.name,
    object: 'model',
    created: Math.floor(target.createdMs / 1000),
    owned_by: facts.simulated ? 'loraplex-simulator' : 'loraplex',
    loraplex: {
      state: target.state === 'Suspended' ? 'Failed' : target.state,
      reason: target.state === 'Suspended' ? 'Suspended' : target.reason,
      revision: target.revision === undefined ? null : target.revision.slice(0, 12),
      contextWindow,
      maxOutputTokens: contextWindow,
      task: target.pool.spec.model.task,
      inputs: target.pool.spec.model.inputs,
    },
  }
}

/** The same words whether the name is nobody's or somebody else's (I7). */
export function modelNotFound(name: string): LoraplexError {
  const shown = name.length <= 128 ? name : `${name.slice(0, 128)}…`
  return new LoraplexError(
    'model_not_found',
    `The model '${shown}' does not exist or you do not have access to it.`,
    {
      param: 'model',
    },
  )
}

/** @throws LoraplexError model_not_found, or what a target that cannot answer says */
export function resolveTarget(caller: Caller, name: string): RouteTarget {
  const target = caller.targets.get(name)
  if (target === undefined) {
    throw modelNotFound(name)
  }
  requireServing(target)
  return target
}

function requireServing(target: RouteTarget): void {
  switch (target.state) {
    case 'Suspended':
      throw new LoraplexError('adapter_suspended', `The adapter '${target.name}' is suspended.`)
    case 'Failed':
      throw new LoraplexError(
        'adapter_failed',
        `The adapter '${target.name}' cannot be served: ${target.message || target.reason}`,
      )
    case 'Ready':
    case 'OnDemand':
    case 'Loading':
      return
    default:
      target.state satisfies never
  }
}

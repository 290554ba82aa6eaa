import type { Budget } from '../api/budget.ts'
import type { Limits } from '../api/limits.ts'
import type { ModelTenant } from '../api/model-tenant.ts'
import type { TenantKey } from '../api/tenant-key.ts'
import { parseMoney } from './money.ts'
import type { WindowUnit } from './window.ts'

/** Whose limit it is. */
export type Scope = 'tenant' | 'key' | 'model' | 'user'

type RateLimit =
  | 'requestsPerMinute'
  | 'tokensPerMinute'
  | 'requestsPerDay'
  | 'tokensPerDay'
  | 'concurrentRequests'

export interface CountedIn {
  readonly unit: WindowUnit
  readonly timeZone: string
}

/** One thing that is counted and must stay below a bound. */
export interface Cap {
  readonly scope: Scope
  /** The field that says so, or the budget's name. */
  readonly name: string
  readonly kind: 'Rate' | 'Budget'
  readonly counts: 'Requests' | 'Tokens' | 'Nanos' | 'Leases'
  readonly cap: number
  /** Absent for what is counted only while it lasts. */
  readonly window: CountedIn | undefined
  /** A budget that only warns is counted, and refuses nothing. */
  readonly blocks: boolean
  /** The counter's name, without its window. */
  readonly counter: readonly string[]
  /** Where it is a model's. */
  readonly target?: { readonly kind: 'ModelPool' | 'LoraAdapter'; readonly key: string }
}

/** What holds for a key: the same for all of its requests, whatever they ask for. */
export interface Terms {
  /** Of the tenant, its key and its budgets. */
  readonly caps: readonly Cap[]
  readonly perUser: Limits | undefined
  /** In the order in which they are named where two are equal. */
  readonly limits: readonly ScopedLimits[]
}

export interface ScopedLimits {
  readonly scope: Scope
  readonly limits: Limits
}

/** What holds for one target of a tenant, by whichever name it is called. */
export interface TargetTerms {
  readonly caps: readonly Cap[]
  readonly limits: Limits
}

export function termsOf(tenant: ModelTenant, key: TenantKey): Terms {
  const { name } = tenant.metadata
  const { limits, perUser } = tenant.spec
  const keyName = `${key.metadata.namespace}/${key.metadata.name}`
  return {
    caps: [
      ...capsOf('tenant', [name], limits),
      ...capsOf('key', [name, 'key', keyName], key.spec.limits),
      ...budgetCapsOf(tenant),
    ],
    perUser,
    limits: [
      ...(limits === undefined ? [] : [{ scope: 'tenant', limits } as const]),
      ...(key.spec.limits === undefined
        ? []
        : [{ scope: 'key', limits: key.spec.limits } as const]),
    ],
  }
}

export function budgetCapsOf(tenant: ModelTenant): readonly Cap[] {
  return tenant.spec.budgets.flatMap((budget) => capsOfBudget(tenant.metadata.name, budget))
}

/**
 * What `models[]` says of a target, all entries for it together: it may have several names, and none is a way around.
 * @param key the adapter's, or the pool's for its base
 */
export function targetTermsOf(
  tenant: ModelTenant,
  kind: 'ModelPool' | 'LoraAdapter',
  key: string,
): TargetTerms | undefined {
  const found = tenant.spec.models.flatMap(({ targetRef, limits }) =>
    limits !== undefined &&
    targetRef.kind === kind &&
    `${targetRef.namespace}/${targetRef.name}` === key
      ? [limits]
      : [],
  )
  if (found.length === 0) {
    return undefined
  }
  const limits = found.reduce(smallest)
  const caps = capsOf('model', [tenant.metadata.name, kind, key], limits)
  return { limits, caps: caps.map((cap) => ({ ...cap, target: { kind, key } })) }
}

/** @param userHash never the user's name: counters are read by people, too */
export function capsOfUser(
  tenant: string,
  userHash: string,
  limits: Limits | undefined,
): readonly Cap[] {
  return capsOf('user', [tenant, 'user', userHash], limits)
}

/** The smallest of a limit that is no counter, with whose it is. */
export function smallestOf(
  name: 'maxInputTokens' | 'maxOutputTokens' | 'maxQueueSeconds',
  terms: Terms,
  target: TargetTerms | undefined,
): { readonly value: number; readonly scope: Scope } | undefined {
  const all: readonly ScopedLimits[] = [
    ...terms.limits,
    ...(target === undefined ? [] : [{ scope: 'model', limits: target.limits } as const]),
    ...(terms.perUser === undefined ? [] : [{ scope: 'user', limits: terms.perUser } as const]),
  ]
  let least: { readonly value: number; readonly scope: Scope } | undefined
  for (const { scope, limits } of all) {
    const value = limits[name]
    if (value !== undefined && (least === undefined || value < least.value)) {
      least = { value, scope }
    }
  }
  return least
}

const minute: CountedIn = { unit: 'Minute', timeZone: 'UTC' }
const day: CountedIn = { unit: 'Day', timeZone: 'UTC' }

const rates: Readonly<Record<RateLimit, Pick<Cap, 'counts' | 'window'>>> = {
  requestsPerMinute: { counts: 'Requests', window: minute },
  tokensPerMinute: { counts: 'Tokens', window: minute },
  requestsPerDay: { counts: 'Requests', window: day },
  tokensPerDay: { counts: 'Tokens', window: day },
  concurrentRequests: { counts: 'Leases', window: undefined },
}
const rateNames = Object.keys(rates) as readonly RateLimit[]

function capsOf(
  scope: Scope,
  counter: readonly string[],
  limits: Limits | undefined,
): readonly Cap[] {
  return rateNames.flatMap((name) => {
    const cap = limits?.[name]
    return cap === undefined
      ? []
      : [
          {
            scope,
            name,
            kind: 'Rate' as const,
            ...rates[name],
            cap,
            blocks: true,
            counter: [...counter, name],
          },
        ]
  })
}

function capsOfBudget(tenant: string, budget: Budget): readonly Cap[] {
  const { name, window: unit, timeZone, tokens, amount, action } = budget
  const caps = { Tokens: tokens, Nanos: amount === undefined ? undefined : parseMoney(amount) }
  return (['Tokens', 'Nanos'] as const).flatMap((counts) => {
    const cap = caps[counts]
    return cap === undefined
      ? []
      : [
          {
            scope: 'tenant' as const,
            name,
            kind: 'Budget' as const,
            counts,
            cap,
            window: { unit, timeZone },
            blocks: action === 'Block',
            counter: [tenant, 'budget', name, counts, unit],
          },
        ]
  })
}

function smallest(left: Limits, right: Limits): Limits {
  const least: Limits = { ...left }
  for (const name of Object.keys(right) as (keyof Limits)[]) {
    const value = right[name]
    const other = least[name]
    if (value !== undefined && (other === undefined || value < other)) {
      least[name] = value
    }
  }
  return least
}

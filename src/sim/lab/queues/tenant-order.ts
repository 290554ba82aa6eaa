import type { LabRequest } from '../lab-request.ts'

/** A rule that says whose request is next. `TenantQueue` tells it all that happens, and keeps the requests. */
export interface TenantOrder {
  readonly name: string
  /** Where the rule comes from. */
  readonly source: string
  /** Of so many requests of a tenant and adapter the rule may choose one; 1 where first come is first served. */
  readonly depth?: number
  /** False: it is turned away. */
  admits?(request: LabRequest, nowMs: number): boolean
  /** It has to wait. */
  entered?(request: LabRequest): void
  /** It waits no more: told after `began`. */
  left?(request: LabRequest): void
  /** One of those that could go; never empty. Lines of one tenant come in the order of their turns. */
  next(candidates: readonly LabRequest[], nowMs: number): LabRequest | undefined
  /** It goes to an engine, whether it waited or not. */
  began?(request: LabRequest): void
  token?(request: LabRequest, nowMs: number): void
  ended?(request: LabRequest): void
}

/** A tenant's share of a contended fleet, beside the others'. */
export type WeightOf = (tenant: string) => number

export const equalWeights: WeightOf = () => 1

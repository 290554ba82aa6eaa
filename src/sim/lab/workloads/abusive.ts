import type { TenantDemand } from './tenant-tape.ts'

export interface AbusiveOptions {
  readonly tenants: number
  /** Requests a second that one tenant's share of the fleet is. */
  readonly share: number
  /** How much of its share each of the others asks for. */
  readonly part: number
  /** How many times its share the first one asks for. */
  readonly times: number
}

/** One tenant far above its share, the others within theirs; all alike in lengths. */
export function abusiveTenants(options: AbusiveOptions): readonly TenantDemand[] {
  const { tenants, share, part, times } = options
  return Array.from({ length: tenants }, (_, at) => ({
    tenant: at === 0 ? 'abusive' : `t${at}`,
    adapter: `a${at}`,
    rate: share * (at === 0 ? times : part),
    inputMean: 220,
    outputMean: 195,
  }))
}

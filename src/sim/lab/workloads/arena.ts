import type { TenantDemand } from './tenant-tape.ts'

const tenants = 27
/** The first five of VTC-artifact's tenants: 20 % and 63 % together; in between they fall evenly. */
const first = [0.2, 0.14, 0.115, 0.095, 0.08]
/** The others share the rest, each with so much of the one before. */
const fall = 0.92

/**
 * Twenty-seven tenants with the shares and lengths of the Chatbot Arena trace in VTC (136 tokens in, 256 out), each with
 * an adapter of its own as in S-LoRA. Arrivals are Poisson: the trace itself is not in here.
 * @param rate requests a second of all together
 */
export function arenaTenants(rate: number): readonly TenantDemand[] {
  const others = Array.from({ length: tenants - first.length }, (_, at) => fall ** at)
  const rest = 1 - sum(first)
  const shares = [...first, ...others.map((part) => (part / sum(others)) * rest)]
  return shares.map((share, at) => ({
    tenant: `t${at + 1}`,
    adapter: `a${at + 1}`,
    rate: share * rate,
    inputMean: 136,
    outputMean: 256,
  }))
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

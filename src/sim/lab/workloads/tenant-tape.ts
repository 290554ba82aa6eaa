import { arrivalGap, createRandom, lengthOf } from '../random.ts'
import type { Tape, TapeRequest } from '../tape.ts'

export interface TenantDemand {
  readonly tenant: string
  /** Empty: the base model. */
  readonly adapter: string
  /** Requests a second. */
  readonly rate: number
  readonly inputMean: number
  readonly outputMean: number
  /** Coefficient of variation of gaps; 1, the default, is Poisson. */
  readonly cv?: number
}

/** Tenants that come each by itself; one's arrivals and lengths do not change with what the others do. */
export function tenantTape(demands: readonly TenantDemand[], seconds: number, seed: number): Tape {
  return demands
    .flatMap((demand, at) => streamOf(demand, seconds, seed * 7919 + at))
    .sort((left, right) => left.atMs - right.atMs)
}

function streamOf(demand: TenantDemand, seconds: number, seed: number): TapeRequest[] {
  const { tenant, adapter, rate, inputMean, outputMean, cv = 1 } = demand
  const random = createRandom(seed)
  const stream: TapeRequest[] = []
  for (let atMs = 0; ;) {
    atMs += (arrivalGap(random, cv) * 1000) / rate
    if (atMs > seconds * 1000) {
      return stream
    }
    stream.push({
      atMs,
      tenant,
      adapter,
      inputTokens: Math.min(longest, lengthOf(random, inputMean, 1.2)),
      outputTokens: Math.min(longest, lengthOf(random, outputMean, 1)),
      blocks: [],
    })
  }
}

/** Of prompt or answer: VTC's trace has none above. */
const longest = 1024

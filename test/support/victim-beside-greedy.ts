import { simulatePool, type TenantFigures } from './pool-simulation.ts'

export interface VictimOptions {
  readonly gateways: number
  readonly engines: number
  /** Runs with other arrivals. */
  readonly seeds: number
  readonly seconds: number
}

export interface VictimFigures {
  readonly atShareMs: number
  readonly atTenTimesMs: number
  readonly ratio: number
  /** Requests of the victim beside the greedy one. */
  readonly victims: number
}

const engine = { maxNumSeqs: 16, stepMs: 40, isFifo: false }
const tokens = [10, 40] as const

/** p99 of the time to first token of one at 0.7 of its share, in simulated time: its neighbour at its share, and at ten times that. */
export async function victimBesideGreedy(options: VictimOptions): Promise<VictimFigures> {
  const { gateways, engines, seeds, seconds } = options
  const share = ((engines * engine.maxNumSeqs) / (25 * engine.stepMs) / 2) * 1000
  const beside = async (times: number): Promise<readonly number[]> => {
    const all: TenantFigures[] = []
    for (let seed = 1; seed <= seeds; seed += 1) {
      const tenants = [
        { name: 'victim', weight: 1, tokens, perSecond: share * 0.7 },
        { name: 'greedy', weight: 1, tokens, perSecond: share * times },
      ]
      all.push(
        ...(await simulatePool({ ...engine, gateways, engines, seed, tenants }, seconds, 40)),
      )
    }
    return all.flatMap(({ name, firstTokenMs }) => (name === 'victim' ? firstTokenMs : []))
  }
  const atShare = await beside(1)
  const atTenTimes = await beside(10)
  const [atShareMs, atTenTimesMs] = [p99(atShare), p99(atTenTimes)]
  return { atShareMs, atTenTimesMs, ratio: atTenTimesMs / atShareMs, victims: atTenTimes.length }
}

function p99(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right)
  return sorted[Math.floor(sorted.length * 0.99)] ?? 0
}

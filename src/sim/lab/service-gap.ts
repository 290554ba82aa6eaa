import type { LabRequest } from './lab-request.ts'
import { FluidService } from './fluid-service.ts'
import { maxMinShares } from './max-min-shares.ts'
import { TenantService, type ServiceWindows } from './tenant-service.ts'
import type { WeightOf } from './queues/tenant-order.ts'

export interface GapOptions {
  /** What is looked at, in milliseconds of virtual time: windows lie between. */
  readonly fromMs: number
  readonly toMs: number
  readonly weightOf: WeightOf
  /** Turned away: they count as asked for, and as waiting for nothing. */
  readonly refused?: ReadonlySet<LabRequest> | undefined
}

/** How unevenly tenants were served; tokens a second by weight, a token of output as two of input. */
export interface Gaps {
  /**
   * As VTC-artifact has it, `get_service_diff_over_time`: of each window the tenant furthest from the one served most, but
   * no further than what it asked for and what it got are apart. The greatest window, and their mean.
   */
  readonly max: number
  readonly mean: number
  /**
   * The same, but no further than what still waited for its first token as the window ended: one that gets what it asked
   * for a minute late, or is done with a burst, lacks nothing.
   */
  readonly unmetMax: number
  readonly unmetMean: number
  /** |W_f − W_g| of tenants that had somebody waiting all through a window: what VTC's theorem bounds. */
  readonly backloggedMax: number
  readonly backloggedMean: number
  /** Tenants with somebody waiting all through a window in which they got no token. */
  readonly starved: readonly string[]
}

export interface ServiceGap extends Gaps {
  /** What perfect fairness would have shown, with as many tokens in each second. */
  readonly ideal: Gaps
  /** Prompt and output tokens a second, all together. */
  readonly tokensPerSecond: number
  /** Of what each tenant got by its max-min share of all that was served: 1 is exactly that share for everybody. */
  readonly jain: number
}

const windowSeconds = 60
const strideSeconds = 10

export function serviceGap(requests: readonly LabRequest[], options: GapOptions): ServiceGap {
  const { weightOf } = options
  const service = new TenantService(requests, options)
  return {
    ...gapsOf(service, weightOf),
    ideal: gapsOf(new FluidService(service, weightOf), weightOf),
    tokensPerSecond: service.tokens / service.seconds,
    jain: jainOf(service, weightOf),
  }
}

/** Windows of a minute, one every ten seconds. */
function gapsOf(service: ServiceWindows, weightOf: WeightOf): Gaps {
  const gaps: number[] = []
  const unmet: number[] = []
  const backlogged: number[] = []
  const starved = new Set<string>()
  for (let from = 0; from + windowSeconds <= service.seconds; from += strideSeconds) {
    const window = service.tenants.map((tenant) => {
      const part = service.window(tenant, from, from + windowSeconds)
      if (part.isBacklogged && part.got === 0) {
        starved.add(tenant)
      }
      const rate = windowSeconds * weightOf(tenant)
      const { isBacklogged } = part
      return {
        isBacklogged,
        got: part.got / rate,
        asked: part.asked / rate,
        waits: part.waitsAfter / rate,
      }
    })
    const most = Math.max(...window.map(({ got }) => got))
    const gapBy = (lackOf: (one: (typeof window)[number]) => number): number =>
      Math.max(...window.map((one) => Math.min(most - one.got, lackOf(one))))
    gaps.push(gapBy(({ got, asked }) => Math.abs(asked - got)))
    unmet.push(gapBy(({ waits }) => waits))
    const all = window.filter(({ isBacklogged }) => isBacklogged).map(({ got }) => got)
    backlogged.push(all.length < 2 ? 0 : Math.max(...all) - Math.min(...all))
  }
  return {
    max: Math.max(0, ...gaps),
    mean: meanOf(gaps),
    unmetMax: Math.max(0, ...unmet),
    unmetMean: meanOf(unmet),
    backloggedMax: Math.max(0, ...backlogged),
    backloggedMean: meanOf(backlogged),
    starved: [...starved],
  }
}

function jainOf(service: ServiceWindows, weightOf: WeightOf): number {
  const all = service.tenants.map((tenant) => {
    const { got, asked, waitedBefore } = service.window(tenant, 0, service.seconds)
    return { got, asked: Math.max(got, asked + waitedBefore), weight: weightOf(tenant) }
  })
  const shares = maxMinShares(all, sum(all.map(({ got }) => got)))
  const parts = all.map(({ got }, at) => got / Math.max(1, shares[at] ?? 0))
  return sum(parts) ** 2 / (parts.length * sum(parts.map((part) => part * part)))
}

function meanOf(values: readonly number[]): number {
  return sum(values) / Math.max(1, values.length)
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

import { maxMinShares } from './max-min-shares.ts'
import type { WeightOf } from './queues/tenant-order.ts'
import type { ServiceWindows, TenantWindow } from './tenant-service.ts'

interface Fluid {
  readonly got: number[]
  /** At the end of each second. */
  readonly backlog: number[]
}

/**
 * What perfect fairness would have shown: each second's work, as much as was done, shared evenly among those who had asked
 * for any, to the token and known beforehand (generalised processor sharing). A measure of unevenness that is not zero for
 * this one owes as much to when tenants asked as to how they were served.
 */
export class FluidService implements ServiceWindows {
  readonly tenants: readonly string[]
  readonly seconds: number
  readonly #real: ServiceWindows
  readonly #fluids = new Map<string, Fluid>()

  constructor(real: ServiceWindows, weightOf: WeightOf) {
    this.#real = real
    this.tenants = real.tenants
    this.seconds = real.seconds
    const all = real.tenants.map((tenant) => {
      const fluid: Fluid = { got: [], backlog: [] }
      this.#fluids.set(tenant, fluid)
      const { waitedBefore } = real.window(tenant, 0, 1)
      return { tenant, fluid, weight: weightOf(tenant), left: waitedBefore }
    })
    for (let second = 0; second < real.seconds; second += 1) {
      let done = 0
      for (const one of all) {
        const { got, asked } = real.window(one.tenant, second, second + 1)
        done += got
        one.left += asked
      }
      const asks = all.map(({ left, weight }) => ({ asked: left, weight }))
      for (const [at, share] of maxMinShares(asks, done).entries()) {
        const one = all[at]
        if (one !== undefined) {
          one.left -= share
          one.fluid.got.push(share)
          one.fluid.backlog.push(one.left)
        }
      }
    }
  }

  window(tenant: string, from: number, to: number): TenantWindow {
    const { got, backlog } = this.#fluids.get(tenant) ?? { got: [], backlog: [] }
    return {
      got: got.slice(from, to).reduce((sum, one) => sum + one, 0),
      asked: this.#real.window(tenant, from, to).asked,
      waitedBefore: from === 0 ? 0 : (backlog[from - 1] ?? 0),
      waitsAfter: backlog[to - 1] ?? 0,
      isBacklogged: backlog.slice(from, to).every((left) => left > 0),
    }
  }
}

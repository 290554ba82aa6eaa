import type { WorkOfPool } from '../api/gateway-protocol.ts'
import type { PoolState } from './admission/pool-state.ts'

/** As a gateway tells it: what requests of each pool ask of engines, and what that costs there. */
export function workOfPools(
  pools: ReadonlyMap<string, Pick<PoolState, 'admission'>>,
): Readonly<Record<string, WorkOfPool>> {
  return Object.fromEntries(
    [...pools].map(([poolKey, { admission }]) => {
      const { totals } = admission
      const { costs } = admission.costs
      return [
        poolKey,
        {
          requests: totals.requests,
          inputTokens: totals.input,
          outputTokens: totals.output,
          answers: totals.answers,
          ...(costs === undefined ? {} : { costs }),
        },
      ]
    }),
  )
}

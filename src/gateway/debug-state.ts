import type { Gateway } from './gateway.ts'

/** What a gateway knows and does, for `/debug/state`; no key, no prompt. */
export function gatewayDebugState(gateway: Gateway): object {
  return {
    inFlight: gateway.inFlight,
    queued: gateway.queued,
    draining: gateway.draining,
    keys: gateway.table.callers.size,
    demand: gateway.demand(),
    engineCosts: Object.fromEntries(
      [...gateway.pools].map(([pool, { admission }]) => {
        const { costs, evidence } = admission.costs
        return [pool, { costs, evidence }]
      }),
    ),
    replicas: gateway.views().map((view) => ({
      name: view.replica.name,
      pool: view.replica.poolKey,
      ready: view.ready,
      detail: view.detail,
      engineProcess: view.engineProcess,
      simulated: view.simulated,
      inFlight: view.inFlight,
      routable: [...view.routable()],
    })),
  }
}

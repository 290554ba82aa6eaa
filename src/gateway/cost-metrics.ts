import { Gauge } from 'prom-client'
import type { EngineCosts } from '../core/route-cost.ts'
import type { Gateway } from './gateway.ts'

const terms: Readonly<Record<keyof EngineCosts, string>> = {
  stepMs: 'step',
  perRequestMs: 'request',
  perAdapterMs: 'adapter',
  perPromptTokenMs: 'prompt_token',
  loadMs: 'load',
}

/** What a gateway learned of its pools' engines, worked out at each scrape; absent for a pool while there is too little to tell. */
export function addCostMetrics(gateway: Gateway): void {
  const { registry } = gateway.metrics
  void new Gauge({
    name: 'loraplex_engine_cost_ms',
    help: 'Milliseconds of engine time, as streams showed: of a step, of a request and of an adapter in it, of a token of prompt, of a load.',
    labelNames: ['pool', 'term'],
    registers: [registry],
    collect() {
      this.reset()
      for (const [pool, { admission }] of gateway.pools) {
        const { costs } = admission.costs
        for (const [term, label] of Object.entries(terms)) {
          if (costs !== undefined) {
            this.set({ pool, term: label }, costs[term as keyof EngineCosts])
          }
        }
      }
    },
  })
  void new Gauge({
    name: 'loraplex_engine_cost_samples',
    help: 'What loraplex_engine_cost_ms was learned from, since this gateway started.',
    labelNames: ['pool', 'kind'],
    registers: [registry],
    collect() {
      this.reset()
      for (const [pool, { admission }] of gateway.pools) {
        const { evidence } = admission.costs
        this.set({ pool, kind: 'step' }, evidence.steps)
        this.set({ pool, kind: 'first_token' }, evidence.firstTokens)
        this.set({ pool, kind: 'load' }, evidence.loads)
      }
    },
  })
}

import { Counter, Gauge, Histogram, type Metric } from 'prom-client'
import type { Cap } from '../../core/terms.ts'
import type { Counter as LimitCounter, Line } from '../../ledger/types.ts'
import type { StoreHealth } from './store-health.ts'
import type { LedgerCall, OnLedgerCall } from './timed-ledger.ts'

/** A budget as the last request found it. */
interface Budget {
  readonly key: string
  readonly labels: { readonly tenant: string; readonly budget: string; readonly unit: string }
  usedRatio: number
  endsAtMs: number
}

/** Limits as metrics: labels are tenants, fields and budgets, never keys and users. */
export class LimitWatch {
  readonly metrics: readonly Metric[]
  readonly #refusals: Counter
  readonly #seconds: Readonly<Record<LedgerCall, Histogram.Internal<string>>>
  readonly #failures: Counter
  readonly #budgets = new Map<string, Budget>()
  /** The same, so that a request costs no text. */
  readonly #byCap = new WeakMap<Cap, Budget>()

  constructor(health: () => StoreHealth, holds: () => number, now: () => number) {
    this.#refusals = new Counter({
      name: 'loraplex_limit_refusals_total',
      help: 'Requests that a limit or budget had no room for, by the one that was short.',
      labelNames: ['tenant', 'scope', 'limit'],
      registers: [],
    })
    const seconds = new Histogram({
      name: 'loraplex_ledger_call_duration_seconds',
      help: 'How long the store of limits took to answer.',
      labelNames: ['call'],
      buckets: [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1],
      registers: [],
    })
    this.#seconds = {
      try: seconds.labels({ call: 'try' }),
      renew: seconds.labels({ call: 'renew' }),
      settle: seconds.labels({ call: 'settle' }),
      read: seconds.labels({ call: 'read' }),
    }
    this.#failures = new Counter({
      name: 'loraplex_ledger_failures_total',
      help: 'Calls that the store of limits did not answer, and why; Closed: it wants somebody, as the log says.',
      labelNames: ['call', 'reason'],
      registers: [],
    })
    this.metrics = [
      this.#refusals,
      seconds,
      this.#failures,
      budgetGauge(this.#budgets, now),
      ...healthGauges(health, holds),
    ]
  }

  called(...[call, seconds, failure]: Parameters<OnLedgerCall>): void {
    this.#seconds[call].observe(seconds)
    if (failure !== undefined) {
      this.#failures.inc({ call, reason: failure })
    }
  }

  refused(tenant: string, { kind, name, scope }: Cap): void {
    this.#refusals.inc({ tenant, scope, limit: kind === 'Budget' ? 'budget' : name })
  }

  /** Counters as they stood at a try, in the order of the caps. */
  stood(
    tenant: string,
    caps: readonly Cap[],
    lines: readonly Line[],
    counters: readonly LimitCounter[],
  ): void {
    for (const [at, cap] of caps.entries()) {
      if (cap.kind === 'Budget') {
        const { committed = 0, held = 0 } = counters[at] ?? {}
        const budget = this.#budgetOf(tenant, cap)
        budget.usedRatio = cap.cap === 0 ? 1 : (committed + held) / cap.cap
        budget.endsAtMs = lines[at]?.endsAtMs ?? 0
      }
    }
  }

  #budgetOf(tenant: string, cap: Cap): Budget {
    const known = this.#byCap.get(cap)
    if (known !== undefined && this.#budgets.get(known.key) === known) {
      return known
    }
    const { name, counts } = cap
    const key = `${tenant}\0${name}\0${counts}`
    const labels = { tenant, budget: name, unit: counts === 'Nanos' ? 'amount' : 'tokens' }
    const added = { key, labels, usedRatio: 0, endsAtMs: 0 }
    this.#budgets.set(key, added)
    this.#byCap.set(cap, added)
    return added
  }
}

/** A window that is over says nothing of the next one. */
function budgetGauge(budgets: Map<string, Budget>, now: () => number): Gauge {
  return new Gauge({
    name: 'loraplex_budget_used_ratio',
    help: 'Of a budget, the part that is used or held, as its last request here found it.',
    labelNames: ['tenant', 'budget', 'unit'],
    registers: [],
    collect() {
      this.reset()
      const nowMs = now()
      for (const [key, { labels, usedRatio, endsAtMs }] of budgets) {
        if (endsAtMs <= nowMs) {
          budgets.delete(key)
        } else {
          this.set(labels, usedRatio)
        }
      }
    },
  })
}

function healthGauges(health: () => StoreHealth, holds: () => number): readonly Gauge[] {
  const gauge = (name: string, help: string, value: () => number): Gauge =>
    new Gauge({
      name,
      help,
      registers: [],
      collect() {
        this.set(value())
      },
    })
  return [
    gauge('loraplex_holds', 'Requests under way that hold something of a limit.', holds),
    gauge('loraplex_ledger_away', 'Whether the store of limits is given up for now.', () =>
      health().ledgerIsAway ? 1 : 0,
    ),
    gauge(
      'loraplex_ledger_settlements_waiting',
      'What was used, and the store of limits has not been told yet.',
      () => health().settlementsWaiting,
    ),
    gauge(
      'loraplex_ledger_settlements_lost',
      'What was used, and the store of limits was never told.',
      () => health().settlementsLost,
    ),
    gauge(
      'loraplex_usage_records_waiting',
      'Bills that are not in their store yet.',
      () => health().recordsWaiting,
    ),
    gauge(
      'loraplex_usage_records_lost',
      'Bills that their store never got.',
      () => health().recordsLost,
    ),
  ]
}

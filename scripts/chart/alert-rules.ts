import { stringify } from 'yaml'

interface Alert {
  /** PromQL that is true while something is wrong. */
  readonly when: string
  /** For so long before somebody is told. */
  readonly lasting: string
  readonly severity: 'critical' | 'warning' | 'info'
  readonly words: string
}

/** `critical` is for whoever is woken up; what is a caller's or tenant's own fault is no alert. */
const alerts: Readonly<Record<string, Alert>> = {
  LoraplexPlatformErrors: {
    when: 'sum(rate(loraplex_requests_total{fault="Platform"}[5m])) / sum(rate(loraplex_requests_total[5m])) > 0.01',
    lasting: '10m',
    severity: 'critical',
    words: 'More than 1 % of requests fail by our own fault.',
  },
  LoraplexNoReplica: {
    when: 'sum by (pool) (loraplex_pool_requests_waiting) > 0 and sum by (pool) (loraplex_pool_replicas_ready) == 0',
    lasting: '15m',
    severity: 'critical',
    words: 'Requests of pool {{ $labels.pool }} wait, and no engine of it is ready.',
  },
  LoraplexSignalMissing: {
    when: 'max by (pool, reason) (loraplex_scaling_signal_missing) == 1',
    lasting: '2m',
    severity: 'warning',
    words:
      'What is asked of pool {{ $labels.pool }} is not known, or not to be believed ({{ $labels.reason }}): until it is, no replica of it goes.',
  },
  LoraplexNoLeader: {
    when: '(sum(loraplex_controller_leading) or vector(0)) == 0',
    lasting: '5m',
    severity: 'warning',
    words: 'No controller leads: traffic goes on, changes do not.',
  },
  LoraplexApiServerSilent: {
    when: 'max by (pod) (loraplex_kubernetes_watch_age_seconds) > 600',
    lasting: '5m',
    severity: 'warning',
    words:
      '{{ $labels.pod }} has not heard of the API server for ten minutes and goes by what it knows.',
  },
  LoraplexDepotCacheFull: {
    when: 'loraplex_depot_cache_bytes / loraplex_depot_cache_limit_bytes > 0.9',
    lasting: '15m',
    severity: 'warning',
    words: 'The cache of the depot is nearly full; then no adapter is fetched any more.',
  },
  LoraplexLedgerAway: {
    when: 'max(loraplex_ledger_away) == 1',
    lasting: '1m',
    severity: 'critical',
    words: 'The store of limits does not answer: requests of tenants with budgets are refused.',
  },
  LoraplexLedgerClosed: {
    when: 'sum(rate(loraplex_ledger_failures_total{reason="Closed"}[5m])) > 0',
    lasting: '0m',
    severity: 'critical',
    words:
      'The store of limits lost what it held, or may forget it: budgets refuse until somebody sees to it. The log of a gateway says what.',
  },
  LoraplexLedgerFails: {
    when: 'sum(rate(loraplex_ledger_failures_total[5m])) > 0',
    lasting: '5m',
    severity: 'warning',
    words: 'The store of limits leaves calls without an answer.',
  },
  LoraplexLedgerSlow: {
    when: 'histogram_quantile(0.99, sum by (le) (rate(loraplex_ledger_call_duration_seconds_bucket{call="try"}[5m]))) > 0.1',
    lasting: '10m',
    severity: 'warning',
    words:
      'The store of limits takes more than 100 ms for one request in a hundred; at 500 ms it counts as away.',
  },
  LoraplexUseNotCounted: {
    when: 'sum(loraplex_ledger_settlements_lost) > 0',
    lasting: '0m',
    severity: 'warning',
    words:
      'What requests used was never told to the store of limits; their holds are booked at their last notes.',
  },
  LoraplexBillsWait: {
    when: 'sum(loraplex_usage_records_waiting) > 5000',
    lasting: '10m',
    severity: 'warning',
    words: 'Bills wait for their store; above 50,000 at a gateway they are lost.',
  },
  LoraplexBillsLost: {
    when: 'sum(loraplex_usage_records_lost) > 0',
    lasting: '0m',
    severity: 'critical',
    words: 'Bills are lost: their store took none for too long.',
  },
  LoraplexBudgetNearlySpent: {
    when: 'max by (tenant, budget, unit) (loraplex_budget_used_ratio) > 0.9',
    lasting: '0m',
    severity: 'info',
    words: 'Nine tenths of budget {{ $labels.budget }} of {{ $labels.tenant }} are used or held.',
  },
}

/** As Prometheus reads rules, and as the chart puts them into a PrometheusRule. */
export function alertRulesFile(): string {
  const rules = Object.entries(alerts).map(([alert, { when, lasting, severity, words }]) => ({
    alert,
    expr: when,
    for: lasting,
    labels: { severity },
    annotations: { summary: words },
  }))
  return stringify({ groups: [{ name: 'loraplex', rules }] }, { lineWidth: 0 })
}

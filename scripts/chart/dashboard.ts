interface Panel {
  readonly title: string
  readonly words: string
  /** Grafana's name of it. */
  readonly unit: string
  /** What one line says → PromQL. */
  readonly lines: Readonly<Record<string, string>>
}

const pool = 'pool=~"$pool"'
const perSecond = (metric: string, labels: string) =>
  `rate(loraplex_${metric}{${labels}}[$__rate_interval])`
const quantile = (share: number, metric: string) =>
  `histogram_quantile(${share}, sum by (le) (${perSecond(`${metric}_bucket`, pool)}))`
const ledgerQuantile = (share: number, call: string) =>
  `histogram_quantile(${share}, sum by (le) (${perSecond('ledger_call_duration_seconds_bucket', `call="${call}"`)}))`
/** GPUs that the engines of these pools ask for; from kube-state-metrics. */
const gpus = `sum(kube_pod_container_resource_requests{container="vllm", resource=~"nvidia_com_.+|amd_com_gpu"} * on (namespace, pod) group_left () group by (namespace, pod) (loraplex_replica_ready{${pool}}))`

/** Rows of panels, as somebody reads them who was woken up. */
const rows: Readonly<Record<string, readonly Panel[]>> = {
  Work: [
    {
      title: 'Tokens a second',
      words: 'As the engines counted them.',
      unit: 'short',
      lines: { '{{kind}}': `sum by (kind) (${perSecond('tokens_total', pool)})` },
    },
    {
      title: 'Output tokens a second and a GPU',
      words: 'GPUs as the engines’ pods ask for them; needs kube-state-metrics.',
      unit: 'short',
      lines: {
        'tokens/s': `sum(${perSecond('tokens_total', `${pool}, kind="output"`)}) / ${gpus}`,
      },
    },
    {
      title: 'Requests a second',
      words: 'By whose fault they failed; None is an answer.',
      unit: 'reqps',
      lines: { '{{fault}}': `sum by (fault) (${perSecond('requests_total', pool)})` },
    },
    {
      title: 'Output tokens a second by tenant',
      words: 'The ten largest.',
      unit: 'short',
      lines: {
        '{{tenant}}': `topk(10, sum by (tenant) (${perSecond('tokens_total', `${pool}, kind="output"`)}))`,
      },
    },
  ],
  Waiting: [
    {
      title: 'Requests that wait',
      words: 'At the gateways for a slot, a load or a replica; in the engines for their turn.',
      unit: 'short',
      lines: {
        '{{pool}}, gateways': `sum by (pool) (loraplex_pool_requests_waiting{${pool}})`,
        '{{pool}}, engines': `sum by (pool) (loraplex_replica_engine_waiting{${pool}})`,
      },
    },
    {
      title: 'Time to first byte',
      words: 'From arrival to the first byte of a stream.',
      unit: 's',
      lines: {
        p50: quantile(0.5, 'time_to_first_byte_seconds'),
        p95: quantile(0.95, 'time_to_first_byte_seconds'),
        p99: quantile(0.99, 'time_to_first_byte_seconds'),
      },
    },
    {
      title: 'Slots',
      words: 'Distinct adapters that run at once; leases that wait mean that more are asked for.',
      unit: 'short',
      lines: {
        total: `sum(loraplex_replica_slots{${pool}})`,
        used: `sum(loraplex_replica_slots_used{${pool}})`,
        waiting: `sum(loraplex_replica_slots_waiting{${pool}})`,
      },
    },
    {
      title: 'Request duration',
      words: 'From arrival to the last byte.',
      unit: 's',
      lines: {
        p50: quantile(0.5, 'request_duration_seconds'),
        p99: quantile(0.99, 'request_duration_seconds'),
      },
    },
  ],
  Replicas: [
    {
      title: 'Replicas',
      words: 'Ready ones take requests; draining ones end their streams.',
      unit: 'short',
      lines: {
        '{{pool}} ready': `sum by (pool) (loraplex_replica_ready{${pool}})`,
        '{{pool}} draining': `sum by (pool) (loraplex_replica_draining{${pool}})`,
      },
    },
    {
      title: 'KV cache in use',
      words: 'Near 1, engines make requests wait or start them again.',
      unit: 'percentunit',
      lines: { '{{pod}}': `loraplex_replica_kv_cache_usage{${pool}}` },
    },
    {
      title: 'Adapters',
      words: 'Revisions by what replicas have of them; Routable ones answer.',
      unit: 'short',
      lines: { '{{state}}': `sum by (state) (loraplex_replica_adapters{${pool}})` },
    },
    {
      title: 'Host cache',
      words: 'Ghosts are unloaded adapters that still take places.',
      unit: 'short',
      lines: {
        places: `sum(loraplex_replica_host_cache_adapters{${pool}})`,
        ghosts: `sum(loraplex_replica_host_cache_ghosts{${pool}})`,
      },
    },
  ],
  Refusals: [
    {
      title: 'Refusals by code, fault of the platform',
      words: 'These are ours: alert on them.',
      unit: 'reqps',
      lines: {
        '{{code}}': `sum by (code) (${perSecond('requests_total', 'fault="Platform"')})`,
      },
    },
    {
      title: 'Refusals by code, fault of caller or tenant',
      words: 'Keys, limits, names and bodies.',
      unit: 'reqps',
      lines: {
        '{{fault}} {{code}}': `sum by (fault, code) (${perSecond('requests_total', 'fault=~"Caller|Tenant"')})`,
      },
    },
    {
      title: 'Requests in flight',
      words: 'By gateway, waiting or at an engine.',
      unit: 'short',
      lines: { '{{pod}}': 'loraplex_requests_in_flight' },
    },
    {
      title: 'Second tries a second',
      words: 'Requests whose first engine failed before the first byte.',
      unit: 'reqps',
      lines: { retries: 'sum(rate(loraplex_retries_total[$__rate_interval]))' },
    },
  ],
  Limits: [
    {
      title: 'Refusals by limit',
      words: 'Whose limit was short, and which; the ten most frequent.',
      unit: 'reqps',
      lines: {
        '{{tenant}} {{scope}} {{limit}}':
          'topk(10, sum by (tenant, scope, limit) (rate(loraplex_limit_refusals_total[$__rate_interval])))',
      },
    },
    {
      title: 'Budgets in use',
      words: 'The ten fullest, what is held with them; at 1 a budget that blocks refuses.',
      unit: 'percentunit',
      lines: {
        '{{tenant}} {{budget}}': 'topk(10, max by (tenant, budget) (loraplex_budget_used_ratio))',
      },
    },
    {
      title: 'Store of limits: time to answer',
      words: 'Each limited request waits for one try. Above 0.5 s a call has failed.',
      unit: 's',
      lines: {
        'try p50': ledgerQuantile(0.5, 'try'),
        'try p99': ledgerQuantile(0.99, 'try'),
        'settle p99': ledgerQuantile(0.99, 'settle'),
      },
    },
    {
      title: 'Stores of limits and bills: trouble',
      words:
        'Gateways that gave the store up for now, failed calls a second, and what was not written yet.',
      unit: 'short',
      lines: {
        'gateways without limits': 'sum(loraplex_ledger_away)',
        'failed calls': 'sum(rate(loraplex_ledger_failures_total[$__rate_interval]))',
        'settlements waiting': 'sum(loraplex_ledger_settlements_waiting)',
        'bills waiting': 'sum(loraplex_usage_records_waiting)',
        'bills lost': 'sum(loraplex_usage_records_lost)',
      },
    },
  ],
  Cluster: [
    {
      title: 'Leading controllers',
      words: 'One. None: nothing changes any more, traffic goes on.',
      unit: 'short',
      lines: { leading: 'sum(loraplex_controller_leading)' },
    },
    {
      title: 'Silence of the API server',
      words: 'Since a process heard of it last. Gateways serve what they know meanwhile.',
      unit: 's',
      lines: { '{{pod}}': 'loraplex_kubernetes_watch_age_seconds' },
    },
    {
      title: 'Requests to the API server a second',
      words: 'Code 0 is no answer.',
      unit: 'reqps',
      lines: {
        '{{code}}': 'sum by (code) (rate(loraplex_kubernetes_requests_total[$__rate_interval]))',
      },
    },
    {
      title: 'Adapters being fetched',
      words: 'By the depot, now.',
      unit: 'short',
      lines: { fetches: 'sum(loraplex_depot_fetches_in_flight)' },
    },
  ],
}

const perRow = 4
const height = 8
const source = { type: 'prometheus', uid: '${datasource}' }

export function dashboardFile(): string {
  const panels = Object.entries(rows).flatMap(([title, row], index) => {
    const top = index * (height + 1)
    return [
      { type: 'row', title, collapsed: false, gridPos: { x: 0, y: top, w: 24, h: 1 }, panels: [] },
      ...row.map((panel, column) => graph(panel, column, top + 1)),
    ]
  })
  const dashboard = {
    uid: 'loraplex',
    title: 'Loraplex',
    tags: ['loraplex'],
    schemaVersion: 39,
    editable: true,
    refresh: '30s',
    time: { from: 'now-3h', to: 'now' },
    templating: { list: [sourceVariable, poolVariable] },
    panels: panels.map((panel, index) => ({ id: index + 1, ...panel })),
  }
  return `${JSON.stringify(dashboard, undefined, 2)}\n`
}

function graph({ title, words, unit, lines }: Panel, column: number, top: number) {
  const width = 24 / perRow
  return {
    type: 'timeseries',
    title,
    description: words,
    datasource: source,
    gridPos: { x: column * width, y: top, w: width, h: height },
    fieldConfig: { defaults: { unit, min: 0, custom: { fillOpacity: 8 } }, overrides: [] },
    options: { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi' } },
    targets: Object.entries(lines).map(([legendFormat, expr], index) => ({
      refId: String.fromCodePoint(65 + index),
      datasource: source,
      expr,
      legendFormat,
    })),
  }
}

const sourceVariable = {
  name: 'datasource',
  label: 'Data source',
  type: 'datasource',
  query: 'prometheus',
}

const poolVariable = {
  name: 'pool',
  label: 'Pool',
  type: 'query',
  datasource: source,
  query: { query: 'label_values(loraplex_replica_ready, pool)', refId: 'pools' },
  refresh: 2,
  includeAll: true,
  multi: true,
  // Also what no replica says anything about, such as a pool at zero.
  allValue: '.*',
}

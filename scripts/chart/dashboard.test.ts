import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { createAgentMetrics } from '../../src/agent/server/agent-metrics.ts'
import { addScalingMetrics } from '../../src/controller/scaling-metrics.ts'
import { Gateway } from '../../src/gateway/gateway.ts'
import { addStateMetrics } from '../../src/gateway/state-metrics.ts'
import { createKubernetesMetrics } from '../../src/telemetry/kubernetes-metrics.ts'
import { parse } from 'yaml'
import { alertRulesFile } from './alert-rules.ts'
import { dashboardFile } from './dashboard.ts'

interface Dashboard {
  readonly panels: readonly {
    readonly id: number
    readonly title: string
    readonly targets?: readonly { readonly expr: string }[]
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number }
  }[]
}

const dashboard: Dashboard = JSON.parse(dashboardFile())
const graphs = dashboard.panels.filter(({ targets }) => targets !== undefined)

/** Every series of ours, as a scrape names it, with its labels. */
async function knownSeries(): Promise<ReadonlyMap<string, readonly string[]>> {
  const gateway = new Gateway({ saltSecret: Buffer.alloc(32), maxQueueMs: 1 })
  const { registry } = gateway.metrics
  addStateMetrics(gateway)
  createKubernetesMetrics(registry, () => 0)
  addScalingMetrics(registry, () => [])
  const agent = createAgentMetrics({
    watchState: () => () => undefined,
    snapshot: () => ({ hostCache: { capacity: 1, ghosts: 0 } }),
    // Asked for names only; nothing is collected.
  } as never)
  const series = [registry, agent].flatMap((one) =>
    one.getMetricsAsArray().flatMap((metric) => {
      const labels = 'labelNames' in metric ? (metric.labelNames as readonly string[]) : []
      const parts = String(metric.type) === 'histogram' ? ['_bucket', '_sum', '_count'] : ['']
      return parts.map((part) => [`${metric.name}${part}`, labels] as const)
    }),
  )
  await gateway.close()
  return new Map([...series, ...(await seriesOfProcesses())])
}

/** Gauges that controller and depot make on their way up; without labels. */
async function seriesOfProcesses(): Promise<readonly (readonly [string, readonly string[]])[]> {
  const files = ['src/cluster/controller-process.ts', 'src/cluster/depot-process.ts']
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8')))
  return texts
    .flatMap((text) => [...text.matchAll(/'(loraplex_\w+)'/g)])
    .map(([, name = '']) => [name, []] as const)
}

test('every panel asks for something, and no two are in one place', () => {
  expect(graphs.length).toBeGreaterThan(10)
  const places = dashboard.panels.map(({ gridPos }) => `${gridPos.x} ${gridPos.y}`)
  expect(new Set(places).size).toBe(places.length)
  expect(graphs.every(({ gridPos }) => gridPos.x + gridPos.w <= 24)).toBe(true)
})

interface Alerts {
  readonly groups: readonly {
    readonly rules: readonly {
      readonly alert: string
      readonly expr: string
      readonly annotations: { readonly summary: string }
    }[]
  }[]
}
const rules = (parse(alertRulesFile()) as Alerts).groups.flatMap((group) => group.rules)

test.each([
  ['panel', graphs.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))],
  ['alert', rules.map(({ expr }) => expr)],
])('every series of ours in a %s is one that a process has', async (_where, expressions) => {
  const known = await knownSeries()
  const asked = expressions.flatMap((expr) => expr.match(/\bloraplex_\w+/g) ?? [])
  expect(asked.length).toBeGreaterThan(10)
  expect(asked.filter((name) => !known.has(name))).toEqual([])
})

test('an alert names what its expression keeps', () => {
  for (const { alert, expr, annotations } of rules) {
    const kept = /\bby \(([^)]+)\)/.exec(expr)?.[1]?.split(', ') ?? []
    const named = [...annotations.summary.matchAll(/\$labels\.(\w+)/g)].map(([, label]) => label)
    expect(kept, alert).toEqual(expect.arrayContaining(named))
  }
})

test('what is told apart by a label has that label', async () => {
  const known = await knownSeries()
  // Prometheus adds these: the pod and its pool, by the chart's PodMonitor.
  const added = ['pod', 'namespace', 'pool', 'le']
  const wrong = graphs.flatMap(({ title, targets = [] }) =>
    targets.flatMap(({ expr }) =>
      [...expr.matchAll(/(?:sum|max) by \(([^)]+)\) \((?:rate\()?(loraplex_\w+)/g)].flatMap(
        ([, labels = '', name = '']) =>
          labels
            .split(', ')
            .filter((label) => !added.includes(label) && !known.get(name)?.includes(label))
            .map((label) => `${title}: ${name} has no ${label}`),
      ),
    ),
  )
  expect(wrong).toEqual([])
})

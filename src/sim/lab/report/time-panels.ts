import type { LabRecord } from '../lab-record.ts'
import type { Objective } from '../outcome.ts'
import { thinned } from './thinned.ts'
import type { LinePanel, PanelLine } from './line-panel.ts'

export interface TimePanelsOptions {
  readonly objective: Objective
  /** Of one replica. */
  readonly maxLoras: number
  readonly styleOf: (policy: string) => string
}

type Points = readonly (readonly [number, number])[]

/** How a fleet was over time, under each policy: load, queue, slots, replicas and the two latencies. */
export function timePanels(
  records: readonly LabRecord[],
  { objective, maxLoras, styleOf }: TimePanelsOptions,
): readonly LinePanel[] {
  const lastMs = Math.max(1000, ...records.map(lastBusyMs))
  const time = timeUnitOf(lastMs)
  const axis = { xTitle: `time, ${time.name}`, leastRight: lastMs / time.ms }
  const lines = (pointsOf: (record: LabRecord) => Points): readonly PanelLine[] =>
    records.map((record) => ({
      label: record.outcome.policy,
      style: styleOf(record.outcome.policy),
      points: pointsOf(record)
        .filter(([atMs]) => atMs <= lastMs)
        .map(([atMs, value]) => [atMs / time.ms, value] as const),
    }))
  return [
    {
      title: 'Load: requests within the objective, of those that arrive (dashed)',
      yTitle: 'requests/s',
      ...axis,
      lines: [
        ...arrivals(records[0], time.ms),
        ...lines(({ windows }) => windows.map(({ atMs, goodPerSecond }) => [atMs, goodPerSecond])),
      ],
    },
    {
      title: 'Queue: requests that wait at the gateway or in an engine',
      yTitle: 'requests, most at once',
      ...axis,
      lines: lines(({ timeline }) => thinned(timeline, ({ waiting }) => waiting, 'Most')),
    },
    {
      title: 'Slots: distinct adapters in an engine’s batch',
      yTitle: 'adapters a replica',
      ...axis,
      guides: [{ value: maxLoras, label: `max_loras ${maxLoras}` }],
      lines: lines(({ timeline }) => thinned(timeline, ({ slotsUsed }) => slotsUsed, 'Mean')),
    },
    {
      title: 'Replicas that take requests',
      yTitle: 'replicas',
      ...axis,
      isStepped: true,
      lines: lines(({ timeline }) => thinned(timeline, ({ replicas }) => replicas, 'Most')),
    },
    {
      title: 'Time to first token, p99, by time of arrival',
      yTitle: 'ms',
      ...axis,
      isLog: true,
      guides: [{ value: objective.ttftMs, label: `objective ${objective.ttftMs} ms` }],
      lines: lines(({ windows }) => windows.map(({ atMs, ttftP99Ms }) => [atMs, ttftP99Ms])),
    },
    {
      title: 'Time per output token, p99, by time of arrival',
      yTitle: 'ms',
      ...axis,
      guides: [{ value: objective.tpotMs, label: `objective ${objective.tpotMs} ms` }],
      lines: lines(({ windows }) => windows.map(({ atMs, tpotP99Ms }) => [atMs, tpotP99Ms])),
    },
  ]
}

/** The same for all policies: one tape. */
function arrivals(record: LabRecord | undefined, unitMs: number): readonly PanelLine[] {
  const points = record?.windows.map(
    ({ atMs, arrivedPerSecond }) => [atMs / unitMs, arrivedPerSecond] as const,
  )
  return points === undefined ? [] : [{ label: 'arrivals', style: 'arrivals', points }]
}

/** After it the fleet has nothing to do any more. */
function lastBusyMs({ timeline, windows }: LabRecord): number {
  const busy = timeline.findLast(({ waiting, running }) => waiting + running > 0)
  return Math.max(busy?.atMs ?? 0, windows.at(-1)?.atMs ?? 0)
}

function timeUnitOf(longestMs: number): { readonly name: string; readonly ms: number } {
  if (longestMs > 3 * 3_600_000) {
    return { name: 'hours', ms: 3_600_000 }
  }
  return longestMs > 300_000 ? { name: 'minutes', ms: 60_000 } : { name: 'seconds', ms: 1000 }
}

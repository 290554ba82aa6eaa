import type { LabRecord } from '../lab-record.ts'
import type { Objective } from '../outcome.ts'
import type { ScaleMoment } from '../scale-clock.ts'
import type { WindowFigures } from '../window-figures.ts'
import { thinned } from './thinned.ts'
import type { LinePanel, PanelLine } from './line-panel.ts'

export interface TimePanelsOptions {
  readonly objective: Objective
  /** Of one replica. */
  readonly maxLoras: number
  readonly styleOf: (name: string) => string
}

type Points = readonly (readonly [number, number])[]

/** How a fleet was over time, under each rule: load, queue, slots, replicas and the two latencies. */
export function timePanels(
  records: readonly LabRecord[],
  { objective, maxLoras, styleOf }: TimePanelsOptions,
): readonly LinePanel[] {
  const lastMs = Math.max(1000, ...records.map(lastBusyMs))
  const time = timeUnitOf(lastMs)
  const axis = { xTitle: `time, ${time.name}`, leastRight: lastMs / time.ms }
  const lines = (pointsOf: (record: LabRecord) => Points, kind = ''): readonly PanelLine[] =>
    records.map((record) => ({
      label: kind === '' ? record.name : `${record.name}, ${kind}`,
      style: kind === '' ? styleOf(record.name) : `${styleOf(record.name)} ${kind}`,
      points: pointsOf(record)
        .filter(([atMs]) => atMs <= lastMs)
        .map(([atMs, value]) => [atMs / time.ms, value] as const),
    }))
  const isScaled = records.some(({ moments }) => moments.length > 0)
  const moving = (
    kind: 'starting' | 'leaving',
    countOf: (moment: ScaleMoment) => number,
  ): readonly PanelLine[] =>
    lines(({ moments }) => thinned(moments, countOf, 'Most'), kind).filter(({ points }) =>
      points.some(([, count]) => count > 0),
    )
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
      title: isScaled
        ? 'Replicas that serve, start (dashed) and leave (dotted)'
        : 'Replicas that take requests',
      yTitle: 'replicas',
      ...axis,
      isStepped: true,
      lines: [
        ...lines(({ timeline }) => thinned(timeline, ({ replicas }) => replicas, 'Most')),
        ...moving('starting', ({ starting }) => starting),
        ...moving('leaving', ({ leaving }) => leaving),
      ],
    },
    {
      title: 'Time to first token, p99, by time of arrival',
      yTitle: 'ms',
      ...axis,
      isLog: true,
      guides: [{ value: objective.ttftMs, label: `objective ${objective.ttftMs} ms` }],
      lines: lines(({ windows }) =>
        windows.filter(hasEnded).map(({ atMs, ttftP99Ms }) => [atMs, ttftP99Ms]),
      ),
    },
    {
      title: 'Time per output token, p99, by time of arrival',
      yTitle: 'ms',
      ...axis,
      guides: [{ value: objective.tpotMs, label: `objective ${objective.tpotMs} ms` }],
      lines: lines(({ windows }) =>
        windows.filter(hasEnded).map(({ atMs, tpotP99Ms }) => [atMs, tpotP99Ms]),
      ),
    },
  ]
}

/** Without an answer that ended there is no latency to show. */
function hasEnded({ ttftP99Ms }: WindowFigures): boolean {
  return ttftP99Ms > 0
}

/** The same for all: one tape. */
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

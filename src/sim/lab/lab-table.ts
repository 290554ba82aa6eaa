import { capacitiesOf, capacityText } from './capacity.ts'
import type { LabRecord, RunRules } from './lab-record.ts'
import { usualQueue } from './queue-names.ts'
import { usualScaler } from './scaler-names.ts'

interface Column {
  readonly title: string
  readonly cell: (record: LabRecord) => string
}

/** In place of a figure. */
const none = '–'

const loadColumn: Column = { title: 'LOAD', cell: ({ load }) => `${load} ×` }

const ruleTitles: readonly (readonly [keyof RunRules, string])[] = [
  ['policy', 'POLICY'],
  ['queue', 'QUEUE'],
  ['scaler', 'SCALER'],
]

const figureColumns: readonly Column[] = [
  { title: 'REQUESTS', cell: ({ outcome }) => requestsText(outcome) },
  { title: 'IN SLO', cell: ({ outcome }) => percentText(outcome.attainment) },
  { title: 'GOOD/S', cell: ({ outcome }) => outcome.goodPerSecond.toFixed(1) },
  { title: 'TTFT MEAN', cell: ({ outcome }) => timeText(outcome.ttftMeanMs) },
  { title: 'P50', cell: ({ outcome }) => timeText(outcome.ttftP50Ms) },
  { title: 'P99', cell: ({ outcome }) => timeText(outcome.ttftP99Ms) },
  { title: 'TPOT MEAN', cell: ({ outcome }) => timeText(outcome.tpotMeanMs) },
  { title: 'P99', cell: ({ outcome }) => timeText(outcome.tpotP99Ms) },
  { title: 'DISK LOADS', cell: ({ outcome }) => outcome.diskReads.toLocaleString('en-US') },
  { title: 'ADAPTERS', cell: ({ outcome }) => outcome.meanActive.toFixed(1) },
]

/** Where the gateway's queue is what is looked at. */
const queueColumns: readonly Column[] = [
  { title: 'GAP MAX', cell: ({ gap }) => countText(gap?.max) },
  { title: 'GAP MEAN', cell: ({ gap }) => countText(gap?.mean) },
  { title: 'REFUSED', cell: ({ refused }) => refused.toLocaleString('en-US') },
]

/** Where replicas come and go. */
const scalerColumns: readonly Column[] = [
  { title: 'OF AVOIDABLE', cell: ({ scaling }) => percentText(scaling?.attainment) },
  { title: 'GPU-HOURS', cell: ({ scaling }) => scaling?.gpuHours.toFixed(2) ?? none },
  { title: '× CLAIRVOYANT', cell: ({ scaling }) => scaling?.ratio.toFixed(2) ?? none },
]

/** Rows of cells with a head, a row a run; there are columns only for what the runs are about. */
export function labTable(records: readonly LabRecord[]): readonly (readonly string[])[] {
  const nameColumn: Column = { title: nameTitle(records), cell: ({ name }) => name }
  const shown = [
    nameColumn,
    ...(hasLoads(records) ? [loadColumn] : []),
    ...figureColumns,
    ...(records.some(({ rules }) => rules.queue !== usualQueue) ? queueColumns : []),
    ...(records.some(({ rules }) => rules.scaler !== usualScaler) ? scalerColumns : []),
  ]
  return [
    shown.map(({ title }) => title),
    ...records.map((record) => shown.map(({ cell }) => cell(record))),
  ]
}

/** Rows of cells with a head, a row for what was compared: how much load it takes. Empty where there was one load only. */
export function capacityTable(records: readonly LabRecord[]): readonly (readonly string[])[] {
  return hasLoads(records)
    ? [
        [nameTitle(records), '99 % IN SLO UP TO'],
        ...capacitiesOf(records).map((each) => [each.name, capacityText(each)]),
      ]
    : []
}

export function hasLoads(records: readonly LabRecord[]): boolean {
  return new Set(records.map(({ load }) => load)).size > 1
}

/** What differs between runs: that they are named by. */
function nameTitle(records: readonly LabRecord[]): string {
  const differing = ruleTitles.filter(
    ([kind]) => new Set(records.map(({ rules }) => rules[kind])).size > 1,
  )
  return differing.length === 0 ? 'POLICY' : differing.map(([, title]) => title).join(', ')
}

function percentText(part: number | undefined): string {
  return part === undefined ? none : `${(part * 100).toFixed(1)} %`
}

function countText(value: number | undefined): string {
  return value === undefined ? none : Math.round(value).toLocaleString('en-US')
}

function requestsText({ requests, completed }: LabRecord['outcome']): string {
  const all = requests.toLocaleString('en-US')
  return requests === completed ? all : `${all} (${requests - completed} not ended)`
}

/** `43.2 ms`, `870 ms`, `12.3 s`. */
export function timeText(ms: number): string {
  if (ms < 100) {
    return `${ms.toFixed(1)} ms`
  }
  return ms < 10_000 ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(1)} s`
}

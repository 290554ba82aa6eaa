import { capacitiesOf, capacityText } from './capacity.ts'
import type { LabRecord } from './lab-record.ts'

interface Column {
  readonly title: string
  readonly cell: (record: LabRecord) => string
}

const loadColumn: Column = { title: 'LOAD', cell: ({ load }) => `${load} ×` }

const policyColumn: Column = { title: 'POLICY', cell: ({ outcome }) => outcome.policy }

const figureColumns: readonly Column[] = [
  { title: 'REQUESTS', cell: ({ outcome }) => requestsText(outcome) },
  { title: 'IN SLO', cell: ({ outcome }) => `${(outcome.attainment * 100).toFixed(1)} %` },
  { title: 'GOOD/S', cell: ({ outcome }) => outcome.goodPerSecond.toFixed(1) },
  { title: 'TTFT MEAN', cell: ({ outcome }) => timeText(outcome.ttftMeanMs) },
  { title: 'P50', cell: ({ outcome }) => timeText(outcome.ttftP50Ms) },
  { title: 'P99', cell: ({ outcome }) => timeText(outcome.ttftP99Ms) },
  { title: 'TPOT MEAN', cell: ({ outcome }) => timeText(outcome.tpotMeanMs) },
  { title: 'P99', cell: ({ outcome }) => timeText(outcome.tpotP99Ms) },
  { title: 'DISK LOADS', cell: ({ outcome }) => outcome.diskReads.toLocaleString('en-US') },
  { title: 'ADAPTERS', cell: ({ outcome }) => outcome.meanActive.toFixed(1) },
]

/** Rows of cells with a head, a row a run; the load is a column where there are several. */
export function labTable(records: readonly LabRecord[]): readonly (readonly string[])[] {
  const shown = [policyColumn, ...(hasLoads(records) ? [loadColumn] : []), ...figureColumns]
  return [
    shown.map(({ title }) => title),
    ...records.map((record) => shown.map(({ cell }) => cell(record))),
  ]
}

/** Rows of cells with a head, a row a policy: how much load it takes. Empty where there was one load only. */
export function capacityTable(records: readonly LabRecord[]): readonly (readonly string[])[] {
  return hasLoads(records)
    ? [
        ['POLICY', '99 % IN SLO UP TO'],
        ...capacitiesOf(records).map((each) => [each.policy, capacityText(each)]),
      ]
    : []
}

export function hasLoads(records: readonly LabRecord[]): boolean {
  return new Set(records.map(({ load }) => load)).size > 1
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

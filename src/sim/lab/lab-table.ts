import type { LabRecord } from './lab-record.ts'

const columns = [
  'POLICY',
  'LOAD',
  'REQUESTS',
  'IN SLO',
  'GOOD/S',
  'TTFT MEAN',
  'P50',
  'P99',
  'TPOT MEAN',
  'P99',
  'DISK LOADS',
  'ADAPTERS',
] as const

/** Rows of cells with a head, a row a run; `LOAD` only where there are several. */
export function labTable(records: readonly LabRecord[]): readonly (readonly string[])[] {
  const hasLoads = new Set(records.map(({ load }) => load)).size > 1
  const rows = [columns, ...records.map(cellsOf)]
  return hasLoads ? rows : rows.map((row) => row.filter((_, column) => column !== 1))
}

function cellsOf({ load, outcome }: LabRecord): readonly string[] {
  const lost = outcome.requests - outcome.completed
  return [
    outcome.policy,
    `${load} ×`,
    lost === 0 ? String(outcome.requests) : `${outcome.requests} (${lost} not ended)`,
    `${(outcome.attainment * 100).toFixed(1)} %`,
    outcome.goodPerSecond.toFixed(1),
    timeText(outcome.ttftMeanMs),
    timeText(outcome.ttftP50Ms),
    timeText(outcome.ttftP99Ms),
    timeText(outcome.tpotMeanMs),
    timeText(outcome.tpotP99Ms),
    String(outcome.diskReads),
    outcome.meanActive.toFixed(1),
  ]
}

/** `43.2 ms`, `870 ms`, `12.3 s`. */
export function timeText(ms: number): string {
  if (ms < 100) {
    return `${ms.toFixed(1)} ms`
  }
  return ms < 10_000 ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(1)} s`
}

import type { LabRecord } from './lab-record.ts'

/** Offered load up to which what was compared keeps its promise. */
export interface Capacity {
  /** Of the runs. */
  readonly name: string
  /** Requests a second, between the last load that is kept and the first that is not (linear). */
  readonly perSecond: number
  /** Every load was kept, so it is more; or none was, so it is less. */
  readonly bound: 'Exact' | 'More' | 'Less'
}

/** Part of the requests that has to meet the objective. */
export const wantedAttainment = 0.99

/** Of each name, from its runs at several loads. */
export function capacitiesOf(records: readonly LabRecord[]): readonly Capacity[] {
  const names = [...new Set(records.map((record) => record.name))]
  return names.map((name) => {
    const runs = records
      .filter((record) => record.name === name)
      .map(({ outcome }) => outcome)
      .sort((left, right) => left.offeredPerSecond - right.offeredPerSecond)
    const failed = runs.findIndex(({ attainment }) => attainment < wantedAttainment)
    const [last, first] = failed < 0 ? [runs.at(-1), undefined] : [runs[failed - 1], runs[failed]]
    if (last === undefined || first === undefined) {
      const perSecond = (last ?? first)?.offeredPerSecond ?? 0
      return { name, perSecond, bound: last === undefined ? 'Less' : 'More' }
    }
    const part = (last.attainment - wantedAttainment) / (last.attainment - first.attainment)
    const perSecond =
      last.offeredPerSecond + part * (first.offeredPerSecond - last.offeredPerSecond)
    return { name, perSecond, bound: 'Exact' }
  })
}

/** `58.2/s`, `> 58.2/s`, `< 14.6/s`. */
export function capacityText({ perSecond, bound }: Capacity): string {
  const sign = { Exact: '', More: '> ', Less: '< ' }[bound]
  return `${sign}${perSecond.toFixed(1)}/s`
}

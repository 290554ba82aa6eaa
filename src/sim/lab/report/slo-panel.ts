import { wantedAttainment } from '../capacity.ts'
import type { LabRecord } from '../lab-record.ts'
import type { LinePanel } from './line-panel.ts'

/** Attainment by load, a line for what was compared. */
export function sloPanel(
  records: readonly LabRecord[],
  styleOf: (name: string) => string,
): LinePanel {
  const names = [...new Set(records.map(({ name }) => name))]
  return {
    title: 'Requests within the objective by load',
    yTitle: 'within objective, %',
    xTitle: 'offered load, requests/s',
    hasMarks: true,
    guides: [{ value: wantedAttainment * 100, label: '99 %' }],
    top: 100,
    lines: names.map((name) => ({
      label: name,
      style: styleOf(name),
      points: records
        .filter((record) => record.name === name)
        .map(({ outcome }) => [outcome.offeredPerSecond, outcome.attainment * 100] as const)
        .sort(([left], [right]) => left - right),
    })),
  }
}

import type { LabRecord } from '../lab-record.ts'
import type { LinePanel } from './line-panel.ts'

/** Attainment by load, a line a policy. */
export function sloPanel(
  records: readonly LabRecord[],
  styleOf: (policy: string) => string,
): LinePanel {
  const policies = [...new Set(records.map(({ outcome }) => outcome.policy))]
  return {
    title: 'Requests within the objective by load',
    yTitle: 'within objective, %',
    xTitle: 'offered load, requests/s',
    hasMarks: true,
    leastTop: 100,
    guides: [{ value: 99, label: '99 %' }],
    lines: policies.map((policy) => ({
      label: policy,
      style: styleOf(policy),
      points: records
        .filter(({ outcome }) => outcome.policy === policy)
        .map((record) => [offeredOf(record), record.outcome.attainment * 100] as const)
        .sort(([left], [right]) => left - right),
    })),
  }
}

function offeredOf({ outcome, windows }: LabRecord): number {
  const sum = windows.reduce((total, { arrivedPerSecond }) => total + arrivedPerSecond, 0)
  return windows.length === 0 ? outcome.requests : sum / windows.length
}

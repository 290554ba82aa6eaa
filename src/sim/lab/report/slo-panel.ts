import { wantedAttainment } from '../capacity.ts'
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
    guides: [{ value: wantedAttainment * 100, label: '99 %' }],
    top: 100,
    lines: policies.map((policy) => ({
      label: policy,
      style: styleOf(policy),
      points: records
        .filter(({ outcome }) => outcome.policy === policy)
        .map(({ outcome }) => [outcome.offeredPerSecond, outcome.attainment * 100] as const)
        .sort(([left], [right]) => left - right),
    })),
  }
}

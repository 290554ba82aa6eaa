import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readLabRuns, type LabRunRow } from '../../../test/support/lab-runs.ts'
import { isSaturated, replayMiddle } from '../../../test/support/replay-lab-run.ts'
import { profileNamed } from '../profile.ts'

const fixtures = join(import.meta.dirname, '..', '..', '..', 'test', 'fixtures')
const runs = readLabRuns(join(fixtures, 'lab-runs', 'held-out.csv'))

/** Five minutes of the engine model under the load of a real run that its profile was not fitted on. */
function replayed(row: LabRunRow) {
  const name = row.model.startsWith('llama') ? 'h100-llama-8b' : 'h100-qwen-7b'
  const profile = profileNamed(row.rank === 16 ? name : `${name}-rank-32`)
  if (profile === undefined) {
    throw new Error(`no profile for ${row.model}`)
  }
  return replayMiddle(row, profile)
}

function meanError(rows: readonly LabRunRow[], ratio: (row: LabRunRow) => number): number {
  return rows.reduce((sum, row) => sum + Math.abs(ratio(row) - 1), 0) / rows.length
}

/** Wider than the bars of test/bars/lab-calibration.ts, which judge by more runs: what a change must not make worse. */
const kinds = [
  { kind: 'stable', rows: runs.filter(({ regime }) => regime === 'stable'), within: 0.07 },
  { kind: 'queueing', rows: runs.filter(({ regime }) => regime === 'queueing'), within: 0.06 },
  { kind: 'saturated', rows: runs.filter(isSaturated), within: 0.1 },
]

describe('the engine model beside a real vLLM', () => {
  it.each(kinds)('takes as long for a token: $kind runs', { timeout: 200_000 }, (one) => {
    expect(one.rows.length).toBeGreaterThanOrEqual(4)
    const error = meanError(one.rows, (row) => replayed(row).tpotMeanMs / row.tpotMeanMs)
    expect(error).toBeLessThan(one.within)
  })
})

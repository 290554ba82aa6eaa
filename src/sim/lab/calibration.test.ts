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

const kinds = [
  { kind: 'stable', rows: runs.filter(({ regime }) => regime === 'stable'), bar: 0.05 },
  { kind: 'queueing', rows: runs.filter(({ regime }) => regime === 'queueing'), bar: 0.07 },
  { kind: 'saturated', rows: runs.filter(isSaturated), bar: 0.1 },
]

describe('the engine model beside a real vLLM', () => {
  it.each(kinds)('takes as long for a token: $kind runs', ({ rows, bar }) => {
    expect(rows.length).toBeGreaterThanOrEqual(4)
    expect(meanError(rows, (row) => replayed(row).tpotMeanMs / row.tpotMeanMs)).toBeLessThan(bar)
  })
})

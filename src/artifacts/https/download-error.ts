import { problem, type ProblemReason } from '../problems.ts'
import type { AdapterProblem, FetchOutcome } from '../types.ts'

/** Ends a download with a reason for the adapter's owner. */
export class DownloadError extends Error {
  override readonly name = 'DownloadError'
  readonly problem: AdapterProblem
  readonly again: boolean
  /** `again`: worth another try without anybody changing the source. */
  constructor(reason: ProblemReason, message: string, again: boolean, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause })
    this.problem = problem(reason, message)
    this.again = again
  }

  get outcome(): FetchOutcome {
    return { outcome: this.again ? 'Failed' : 'Refused', problem: this.problem }
  }
}

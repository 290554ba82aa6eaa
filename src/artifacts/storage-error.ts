import { problem } from './problems.ts'
import type { FetchOutcome } from './types.ts'

/** A write to the content store that the disk refused; keeps it apart from errors of the source that is read. */
export class StorageError extends Error {
  override readonly name = 'StorageError'
  /** Node's: `ENOSPC`, `EIO`… */
  readonly code: string
  constructor(cause: unknown) {
    super('the content store could not be written', { cause })
    this.code = codeOf(cause) ?? 'unknown'
  }
}

/** Node's code of an I/O error. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined
}

/** Both kinds are worth another try: somebody frees space, or mends the disk. */
export function storageOutcome(error: StorageError): FetchOutcome {
  return error.code === 'ENOSPC' || error.code === 'EDQUOT'
    ? {
        outcome: 'Failed',
        problem: problem(
          'StorageFull',
          'The disk that keeps adapters is full. Your adapter is not at fault; the fetch is tried again.',
        ),
      }
    : {
        outcome: 'Failed',
        problem: problem(
          'StorageFailed',
          `The disk that keeps adapters failed (${error.code}). Your adapter is not at fault; the fetch is tried again.`,
        ),
      }
}

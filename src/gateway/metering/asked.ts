import { LoraplexError } from '../../errors.ts'
import { LedgerError } from '../../ledger/ledger-error.ts'

/** An answer of the stores, or the refusal that callers get where there is none. @throws LoraplexError */
export async function asked<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    if (error instanceof LedgerError) {
      throw new LoraplexError(
        'limits_unavailable',
        'Limits and budgets cannot be checked just now. Please try again.',
        { retryAfterMs: 1000, cause: error },
      )
    }
    throw error
  }
}

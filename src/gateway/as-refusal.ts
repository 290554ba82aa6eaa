import { LoraplexError } from '../errors.ts'

/** What a caller hears of it: what is no refusal is a fault of ours, and tells nothing of itself. */
export function asRefusal(error: unknown): LoraplexError {
  return error instanceof LoraplexError
    ? error
    : new LoraplexError(
        'internal_error',
        'The server had an error while processing your request.',
        { cause: error },
      )
}

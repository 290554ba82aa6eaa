/** What came of working on a key. An error that is thrown is a `Failed`. */
export type ReconcileOutcome =
  /** Nothing to do until something changes. */
  | { readonly outcome: 'Done' }
  | { readonly outcome: 'RequeueAfter'; readonly delayMs: number }
  /** Nothing helps but a change of the object; not tried again by itself. */
  | { readonly outcome: 'Stalled'; readonly reason: string }
  /** Tried again with backoff. */
  | { readonly outcome: 'Failed'; readonly error: unknown }

export const done: ReconcileOutcome = { outcome: 'Done' }

/**
 * `Flow`: what was used in a window plus what live holds may still use stays within the cap. `Lease`: only live holds
 * count, as for concurrent requests.
 */
export type LineKind = 'Flow' | 'Lease'

/** What a line protects, which decides what holds while the store is away: see `guarded-ledger.ts`. */
export type LineClass = 'Budget' | 'Rate'

/** One limit that a request has to fit into. All numbers are whole and below 2^53. */
export interface Line {
  /** The counter, with the id of the window inside: see `counter-key.ts`. */
  readonly key: string
  readonly kind: LineKind
  readonly class: LineClass
  /** The most that the request can use of it. */
  readonly amount: number
  /** Absent: only counted. 0: nothing fits. */
  readonly cap?: number | undefined
  /** When the window ends, in ms since 1970. A `Lease` has no window, and 0 here. */
  readonly endsAtMs: number
}

/** What one attempt takes, all of it or nothing. */
export interface Hold {
  /** The attempt's own id (`attempt-id.ts`), never used again. */
  readonly id: string
  readonly lines: readonly Line[]
  /** Without a renewal, the hold lapses after this long. */
  readonly expiresInMs: number
  /** For whoever bills it, should its gateway die: see `lapsed`. Nothing that a store looks into. */
  readonly note?: string
}

/** A counter as it stands. */
export interface Counter {
  /** Used for good; only ever grows. Always 0 for a `Lease`. */
  readonly committed: number
  /** What live holds may still use. */
  readonly held: number
}

/**
 * When a line that was short can fit. `AtWindowEnd`: what is used already leaves no room, so exactly at `endsAtMs`.
 * `WhenHoldsEnd`: as soon as requests under way use less than they might. `Never`: the amount is above the cap.
 */
export type Fits = 'Never' | 'AtWindowEnd' | 'WhenHoldsEnd'

export interface ShortLine extends Counter {
  readonly line: Line
  readonly fits: Fits
}

export interface Granted {
  readonly outcome: 'Granted'
  /** In the order of the lines, with this hold in them. */
  readonly counters: readonly Counter[]
}

/** Nothing was taken, of any line. */
export interface Refused {
  readonly outcome: 'Refused'
  /** In the order of the lines. */
  readonly counters: readonly Counter[]
  /** Every line that had no room. */
  readonly short: readonly ShortLine[]
}

/** What is known of a use when it is settled. */
export type Exactness = 'Exact' | 'LowerBound' | 'Unknown'

/** `used` is cumulative and in the order of the hold's lines; entries of leases are ignored. */
export interface Renewal {
  readonly expiresInMs: number
  readonly used: readonly number[]
  /** From now on instead of the hold's; absent or empty: as it was. */
  readonly note?: string
}

export interface Settlement {
  readonly used: readonly number[]
  readonly exactness: Exactness
}

/** A hold whose gateway fell silent, as it was booked: a lower bound of what was used. */
export interface LapsedHold {
  readonly id: string
  readonly note: string
  /** In the order of the hold's lines. */
  readonly used: readonly number[]
  readonly lapsedAtMs: number
}

/** `Lapsed`: it expired, and was booked at its last usage. `Ended`: settled. `Forgotten`: no such hold, or long ago. */
export type RenewOutcome = 'Renewed' | 'Lapsed' | 'Ended' | 'Forgotten'

/** `Corrected`: it had lapsed; what was booked then was raised to what is known now. */
export type SettleOutcome = 'Settled' | 'Corrected' | 'Ended' | 'Forgotten'

/**
 * Counters and holds. Every call is atomic; committed + held never passes a cap while holds are live and use no more than
 * they reserved (I5). Calls reject only when the store cannot answer, with a `LedgerError`.
 */
export interface Ledger {
  /** Takes all lines or none. The same hold tried again while it is live is granted again and taken once. */
  try(hold: Hold): Promise<Granted | Refused>
  /** Extends a live hold, never shortens it, and notes the newest usage, at which it is booked should it lapse (I6). */
  renew(holdId: string, renewal: Renewal): Promise<RenewOutcome>
  /**
   * Books the use and ends the hold, once per id. `Exact`: as it says. `LowerBound`: at least what was noted before.
   * `Unknown`: all that was reserved. Of one that came to nothing: `released`. A hold that lapsed is only ever corrected upwards, once.
   */
  settle(holdId: string, settlement: Settlement): Promise<SettleOutcome>
  /**
   * Holds that lapsed at least `ageMs` ago and were not settled since, oldest first, a hundred at most. Who has billed one
   * settles it with nothing used, which takes it off the list; two who do so at once do no harm.
   */
  lapsed(ageMs: number): Promise<readonly LapsedHold[]>
  /** Unknown keys read as zeros. */
  read(keys: readonly string[]): Promise<readonly Counter[]>
  /** Twice is harmless. */
  close(): Promise<void>
}

/** What one revision is to have. */
export interface ResidencyAsk {
  readonly revision: string
  /** Copies that are promised, whoever calls. */
  readonly least: number
  /** Never more. */
  readonly most: number
  /** Requests a second, and at once; 0: nobody asks for it. */
  readonly rate: number
  readonly open: number
}

export interface ResidencyHost {
  readonly name: string
  /** What only it has is brought elsewhere, and nothing new comes to it. */
  readonly isLeaving: boolean
  /** Adapters that its host cache takes. */
  readonly capacity: number
  /** What it has in fact: loaded, or on the way there. */
  readonly holds: (revision: string) => boolean
}

/** A copy that is kept loaded. */
export interface KeptCopy {
  readonly replica: string
  /** When it was last wanted for what is asked. */
  readonly neededAtMs: number
}

export type KeptCopies = ReadonlyMap<string, readonly KeptCopy[]>

import type {
  Counter,
  Exactness,
  Hold,
  LapsedHold,
  Line,
  Renewal,
  RenewOutcome,
  Settlement,
  SettleOutcome,
} from '../../src/ledger/types.ts'

interface ModelHold {
  readonly hold: Hold
  state: 'Live' | 'Lapsed' | 'Ended'
  expiresAtMs: number
  endedAtMs: number
  note: string
  noted: number[]
  booked: number[]
}

export interface TryAnswer {
  readonly outcome: 'Granted' | 'Refused'
  readonly counters: readonly Counter[]
  readonly short: readonly string[]
}

const minuteMs = 60_000
const hourMs = 3_600_000

/**
 * What a ledger answers, worked out anew from all that ever happened: slow, and with no sums that could drift. Times never
 * go back, and a key has one window.
 */
export class LedgerModel {
  readonly #holds: ModelHold[] = []
  readonly #ends = new Map<string, number>()
  #nowMs = 0

  advance(nowMs: number): void {
    this.#nowMs = nowMs
    for (const one of this.#holds) {
      if (one.state === 'Live' && one.expiresAtMs <= nowMs) {
        one.state = 'Lapsed'
        one.booked = one.noted
      }
    }
  }

  try(hold: Hold): TryAnswer {
    const before = this.read(hold.lines.map(({ key }) => key))
    const short = hold.lines.filter((line, index) => {
      const { committed, held } = before[index]!
      return line.cap !== undefined && committed + held + line.amount > line.cap
    })
    if (short.length > 0) {
      return { outcome: 'Refused', counters: before, short: short.map(({ key }) => key) }
    }
    for (const { key, endsAtMs } of hold.lines) {
      this.#ends.set(key, endsAtMs)
    }
    this.#holds.push({
      hold,
      state: 'Live',
      expiresAtMs: this.#nowMs + hold.expiresInMs,
      endedAtMs: 0,
      note: hold.note ?? '',
      noted: hold.lines.map(() => 0),
      booked: [],
    })
    return { outcome: 'Granted', counters: this.read(hold.lines.map(({ key }) => key)), short: [] }
  }

  renew(id: string, { expiresInMs, used, note = '' }: Renewal): RenewOutcome {
    const one = this.#find(id)
    if (one === undefined || one.state !== 'Live') {
      return one === undefined ? 'Forgotten' : (one.state as 'Lapsed' | 'Ended')
    }
    one.expiresAtMs = Math.max(one.expiresAtMs, this.#nowMs + expiresInMs)
    one.note = note === '' ? one.note : note
    one.noted = one.noted.map((noted, index) => Math.max(noted, used[index] ?? 0))
    return 'Renewed'
  }

  settle(id: string, { used, exactness }: Settlement): SettleOutcome {
    const one = this.#find(id)
    if (one === undefined || one.state === 'Ended') {
      return one === undefined ? 'Forgotten' : 'Ended'
    }
    const wasLapsed = one.state === 'Lapsed'
    one.booked = one.hold.lines.map((line, index) => {
      const told = used[index] ?? 0
      const noted = one.noted[index]!
      const reserved = wasLapsed ? 0 : line.amount
      const book: Record<Exactness, number> = {
        Exact: wasLapsed ? Math.max(told, noted) : told,
        LowerBound: Math.max(told, noted),
        Unknown: Math.max(told, noted, reserved),
      }
      return book[exactness]
    })
    one.state = 'Ended'
    one.endedAtMs = this.#nowMs
    return wasLapsed ? 'Corrected' : 'Settled'
  }

  lapsed(ageMs: number): readonly LapsedHold[] {
    return this.#holds
      .filter(({ hold, state, expiresAtMs }) => {
        const isKnown = state === 'Lapsed' && this.#find(hold.id) !== undefined
        return isKnown && expiresAtMs + ageMs <= this.#nowMs
      })
      .toSorted((a, b) => a.expiresAtMs - b.expiresAtMs || (a.hold.id < b.hold.id ? -1 : 1))
      .map(({ hold, note, noted, expiresAtMs }) => ({
        id: hold.id,
        note,
        used: hold.lines.map(({ kind }, index) => (kind === 'Lease' ? 0 : noted[index]!)),
        lapsedAtMs: expiresAtMs,
      }))
  }

  read(keys: readonly string[]): readonly Counter[] {
    return keys.map((key) => {
      let [committed, held] = [0, 0]
      for (const one of this.#holds) {
        const index = one.hold.lines.findIndex((line) => line.key === key)
        const line = one.hold.lines[index]
        if (line === undefined || this.#isOver(line)) {
          continue
        }
        const noted = line.kind === 'Flow' ? one.noted[index]! : 0
        held += one.state === 'Live' ? Math.max(line.amount, noted) : 0
        committed += one.state === 'Live' || line.kind === 'Lease' ? 0 : one.booked[index]!
      }
      return { committed, held }
    })
  }

  #isOver(line: Line): boolean {
    return line.kind === 'Flow' && (this.#ends.get(line.key) ?? 0) + minuteMs <= this.#nowMs
  }

  /** As long as it is remembered. */
  #find(id: string): ModelHold | undefined {
    const one = this.#holds.find(({ hold }) => hold.id === id)
    const forgetAtMs =
      one?.state === 'Ended' ? one.endedAtMs + minuteMs : (one?.expiresAtMs ?? 0) + hourMs
    return one !== undefined && (one.state === 'Live' || forgetAtMs > this.#nowMs) ? one : undefined
  }
}

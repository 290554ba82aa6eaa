import { printMoney } from '../../core/money.ts'
import type { Caller } from '../../core/resolve.ts'
import type { Cap } from '../../core/terms.ts'
import type { Counter } from '../../ledger/types.ts'
import { asked } from './asked.ts'
import { linesOf } from './attempt-use.ts'
import type { Meter } from './meter.ts'

const nothing = { requests: 0, tokens: 0, nanos: 0 }

/** `GET /v1/usage`: each limit and budget of this key as it stands now. @throws LoraplexError */
export async function standing(meter: Meter, caller: Caller): Promise<object> {
  const ofTargets = new Set([...caller.targets.values()].flatMap(({ terms }) => terms?.caps ?? []))
  const caps = meter.shareOf([...caller.terms.caps, ...byCounter(ofTargets)])
  const lines = linesOf(caps, nothing, meter.windows, meter.now())
  const counters = await asked(meter.ledger.read(lines.map(({ key }) => key)))
  const rows = caps.map((cap, at) => ({
    cap,
    counter: counters[at] ?? { committed: 0, held: 0 },
    endsAtMs: lines[at]?.endsAtMs ?? 0,
  }))
  return {
    object: 'usage',
    tenant: caller.tenant,
    limits: rows.filter(({ cap }) => cap.kind === 'Rate').map(limitRow),
    budgets: rows.filter(({ cap }) => cap.kind === 'Budget').map(budgetRow),
  }
}

interface Row {
  readonly cap: Cap
  readonly counter: Counter
  readonly endsAtMs: number
}

function limitRow({ cap, counter, endsAtMs }: Row): object {
  const { scope, name, counter: parts } = cap
  return {
    scope,
    ...(scope === 'model' ? { model: parts.at(-2) ?? '' } : {}),
    limit: name,
    value: cap.cap,
    used: counter.committed,
    held: counter.held,
    remaining: remaining(cap, counter),
    resets_at: cap.window === undefined ? null : moment(endsAtMs),
  }
}

/** Money is text: a number would be rounded on the way. */
function budgetRow({ cap, counter, endsAtMs }: Row): object {
  const write = cap.counts === 'Nanos' ? printMoney : (value: number): number => value
  return {
    name: cap.name,
    unit: cap.counts === 'Nanos' ? 'amount' : 'tokens',
    window: cap.window?.unit ?? null,
    time_zone: cap.window?.timeZone ?? null,
    action: cap.blocks ? 'Block' : 'Warn',
    value: write(cap.cap),
    used: write(counter.committed),
    held: write(counter.held),
    remaining: write(remaining(cap, counter)),
    resets_at: moment(endsAtMs),
  }
}

function remaining({ cap }: Cap, { committed, held }: Counter): number {
  return Math.max(0, cap - committed - held)
}

function moment(atMs: number): string {
  return new Date(atMs).toISOString().replace('.000Z', 'Z')
}

/** A target has several names, and one counter. */
function byCounter(caps: Iterable<Cap>): Iterable<Cap> {
  return new Map([...caps].map((cap) => [cap.counter.join('\0'), cap])).values()
}

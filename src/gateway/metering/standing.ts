import type { Limits } from '../../api/limits.ts'
import { printMoney } from '../../core/money.ts'
import type { Caller, RouteTarget } from '../../core/resolve.ts'
import type { Cap, Scope } from '../../core/terms.ts'
import type { Counter } from '../../ledger/types.ts'
import { asked } from './asked.ts'
import { linesOf } from './attempt-use.ts'
import type { Meter } from './meter.ts'
import { moment } from './moment.ts'

const nothing = { requests: 0, tokens: 0, nanos: 0 }

/**
 * `GET /v1/usage`: each limit and budget of this key as it stands now.
 * @param user whose counters are told, as requests name them; undefined: nobody's, only what each may use
 * @throws LoraplexError
 */
export async function standing(
  meter: Meter,
  caller: Caller,
  user: string | undefined,
): Promise<object> {
  const { terms, tenant } = caller
  const places = placesOf(meter, caller, user)
  const counted = [
    ...places.flatMap(({ caps, label }) => caps.map((cap) => ({ cap, label }))),
    ...terms.caps
      .filter(({ kind }) => kind === 'Budget')
      .map((cap) => ({ cap, label: { scope: cap.scope } })),
  ]
  const caps = meter.shareOf(counted.map(({ cap }) => cap))
  const lines = linesOf(caps, nothing, meter.windows, meter.now())
  const counters = await asked(meter.ledger.read(lines.map(({ key }) => key)))
  const rows = counted.map(({ label, cap }, at): Row => ({
    label,
    cap: caps[at] ?? cap,
    counter: counters[at] ?? { committed: 0, held: 0 },
    endsAtMs: lines[at]?.endsAtMs ?? 0,
  }))
  return {
    object: 'usage',
    tenant,
    limits: [
      ...rows.filter(({ cap }) => cap.kind === 'Rate').map(limitRow),
      ...places.flatMap(uncountedRows),
    ],
    budgets: rows.filter(({ cap }) => cap.kind === 'Budget').map(budgetRow),
  }
}

/** Whose limit it is, as it is told. */
interface Label {
  readonly scope: Scope
  /** A name by which the caller knows the target. */
  readonly model?: string
}

/** Where limits are written, with what of them is counted. */
interface LimitsPlace {
  readonly label: Label
  readonly limits: Limits
  readonly caps: readonly Cap[]
}

function placesOf(
  meter: Meter,
  { terms, tenant, listed, targets }: Caller,
  user: string | undefined,
): readonly LimitsPlace[] {
  const { perUser } = terms
  return [
    ...terms.limits.map(({ scope, limits }) => ({
      label: { scope },
      limits,
      caps: terms.caps.filter((cap) => cap.kind === 'Rate' && cap.scope === scope),
    })),
    ...placesOfTargets([...listed, ...targets.values()]),
    ...(perUser === undefined
      ? []
      : [
          {
            label: { scope: 'user' as const },
            limits: perUser,
            caps: user === undefined ? [] : meter.capsOfUser(tenant, user, perUser),
          },
        ]),
  ]
}

/** A target has several names, and its limits once: by the name that is listed. */
function placesOfTargets(targets: readonly RouteTarget[]): readonly LimitsPlace[] {
  const places = new Map<string, LimitsPlace>()
  for (const { name, terms, adapterKey, poolKey } of targets) {
    const key = adapterKey ?? `base of ${poolKey}`
    if (terms !== undefined && !places.has(key)) {
      places.set(key, { label: { scope: 'model', model: name }, ...terms })
    }
  }
  return [...places.values()]
}

/** What is no counter, such as the length of an answer, and of users what is told of none. */
function uncountedRows({ label, limits, caps }: LimitsPlace): readonly object[] {
  return Object.entries(limits)
    .filter(([name, value]) => value !== undefined && !caps.some((cap) => cap.name === name))
    .map(([limit, value]) => ({
      ...label,
      limit,
      value,
      used: null,
      held: null,
      remaining: null,
      resets_at: null,
    }))
}

interface Row {
  readonly label: Label
  readonly cap: Cap
  readonly counter: Counter
  readonly endsAtMs: number
}

function limitRow({ label, cap, counter, endsAtMs }: Row): object {
  return {
    ...label,
    limit: cap.name,
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

/** Requests of one tenant that wait at one gateway and lack nothing but a place at this engine. */
export interface TenantWait {
  readonly tenant: string
  /** Its counter, see FairShare. */
  readonly turn: number
  /** What one of them adds to it. */
  readonly cost: number
  readonly count: number
  /** How long the first of them has waited. */
  readonly waitedMs: number
}

/** What one gateway has at an engine, and who waits there for more. */
export interface PlaceReport {
  readonly inFlight: number
  readonly waits: readonly TenantWait[]
}

interface Contender {
  turn: number
  cost: number
  readonly left: { readonly at: number; readonly waitedMs: number; count: number }[]
}

/** Of so many places, one that will be free next is given away before it is; at least two are. */
const aheadShare = 64

/**
 * How many requests each gateway may have at one engine; of several, the sum is a little less than `limit`. Whoever waits in the order of FairShare gets
 * what is free, and what is going to be free next: a gateway with more right than another may send a little before the
 * other's request has ended, and the other does not fill that place again. So a gateway that holds all places cannot
 * keep them, and no place stays empty while somebody is told.
 */
export function dividePlaces(limit: number, reports: readonly PlaceReport[]): readonly number[] {
  if (reports.length === 1) {
    return [limit]
  }
  const held = reports.map((report) => report.inFlight)
  const total = sum(held)
  const most = Math.max(2, Math.ceil(limit / aheadShare))
  // What is sent early comes on top, and is not to wait long inside the engine.
  const free = limit - Math.floor(most / 2) - total
  const ahead = Math.min(total, most)
  const taken = takeInTurn(reports, Math.max(0, free + ahead))
  const missing = sum(taken) - free
  const change =
    missing > 0
      ? giveBack(missing, ahead, held, taken).map((count) => -count)
      : apportion(
          -missing,
          reports.map(() => 1),
        )
  return held.map((count, at) => Math.max(0, count + (taken[at] ?? 0) + (change[at] ?? 0)))
}

/**
 * Places not to be filled again by those who hold them: one of each gateway that is not next, so that whichever ends
 * first is given away; as many as are missing in any case. It is asked again before many end.
 */
function giveBack(
  missing: number,
  ahead: number,
  held: readonly number[],
  taken: readonly number[],
): readonly number[] {
  const notNext = held
    .map((count, at) => ({ count, at }))
    .filter(({ count, at }) => count > 0 && taken[at] === 0)
    .sort((left, right) => right.count - left.count)
    .slice(0, Math.max(missing, 2 * ahead))
  const back = held.map((_, at) => (notNext.some((one) => one.at === at) ? 1 : 0))
  const rest = apportion(Math.max(0, missing - notNext.length), held)
  return back.map((count, at) => count + (rest[at] ?? 0))
}

/** The first `count` of all who wait, by gateway. A tenant's counter moves with each, wherever it waits. */
function takeInTurn(reports: readonly PlaceReport[], count: number): readonly number[] {
  const taken = reports.map(() => 0)
  const contenders = contendersOf(reports)
  for (let at = 0; at < count && contenders.size > 0; at += 1) {
    let first: [string, Contender] | undefined
    for (const entry of contenders) {
      if (first === undefined || entry[1].turn < first[1].turn) {
        first = entry
      }
    }
    if (first !== undefined) {
      const [tenant, contender] = first
      const gateway = takeOne(contender)
      taken[gateway] = (taken[gateway] ?? 0) + 1
      if (contender.left.length === 0) {
        contenders.delete(tenant)
      }
    }
  }
  return taken
}

/** From its gateways by turns, where one has waited longest first: else those at the last gateway wait for all that come to others. */
function takeOne(contender: Contender): number {
  contender.turn += contender.cost
  const place = contender.left.shift()
  if (place === undefined) {
    return 0
  }
  place.count -= 1
  if (place.count > 0) {
    contender.left.push(place)
  }
  return place.at
}

function contendersOf(reports: readonly PlaceReport[]): Map<string, Contender> {
  const contenders = new Map<string, Contender>()
  for (const [at, { waits }] of reports.entries()) {
    for (const { tenant, turn, cost, count, waitedMs } of waits) {
      const contender = contenders.get(tenant) ?? { turn, cost, left: [] }
      // Counters only grow: the higher one has heard more.
      contender.turn = Math.max(contender.turn, turn)
      contender.cost = Math.max(contender.cost, cost)
      contender.left.push({ at, waitedMs, count })
      contenders.set(tenant, contender)
    }
  }
  for (const { left } of contenders.values()) {
    left.sort((one, other) => other.waitedMs - one.waitedMs)
  }
  return contenders
}

/** Whole parts of `count` in proportion to `sizes`, by largest remainder. */
function apportion(count: number, sizes: readonly number[]): readonly number[] {
  const whole = sum(sizes)
  if (whole === 0) {
    return sizes.map(() => 0)
  }
  const exact = sizes.map((size) => (count * size) / whole)
  const parts = exact.map(Math.floor)
  const byRemainder = exact
    .map((value, at) => ({ at, remainder: value - Math.floor(value) }))
    .sort((left, right) => right.remainder - left.remainder)
  for (const { at } of byRemainder.slice(0, count - sum(parts))) {
    parts[at] = (parts[at] ?? 0) + 1
  }
  return parts
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

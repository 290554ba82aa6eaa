import type { LabRequest } from '../lab-request.ts'
import type { RequestQueue, Take } from '../request-queue.ts'
import type { TenantOrder } from './tenant-order.ts'

type Line = LabRequest[]

/**
 * Requests by tenant and adapter, sent in the order of a rule. As at the gateway: the first of a line that finds no place
 * holds up its own line and no other, a tenant's lines take turns, and who finds nobody of its line waiting tries at once.
 */
export class TenantQueue implements RequestQueue {
  readonly refused = new Set<LabRequest>()
  readonly #order: TenantOrder
  readonly #tenants = new Map<string, Map<number, Line>>()
  #length = 0

  constructor(order: TenantOrder) {
    this.#order = order
  }

  get name(): string {
    return this.#order.name
  }

  get source(): string {
    return this.#order.source
  }

  get length(): number {
    return this.#length
  }

  /** Who waits, by tenant and adapter; each line in the order in which they came. */
  *lines(): Iterable<readonly LabRequest[]> {
    for (const lines of this.#tenants.values()) {
      yield* lines.values()
    }
  }

  arrive(request: LabRequest, take: Take, nowMs: number): void {
    if (this.#order.admits?.(request, nowMs) === false) {
      this.refused.add(request)
      return
    }
    const line = this.#lineOf(request)
    if (line === undefined && take(request)) {
      this.#order.began?.(request)
      return
    }
    this.#add(request, line)
    this.#order.entered?.(request)
  }

  offer(take: Take, nowMs: number): void {
    const stuck = new Set<Line>()
    let candidates = this.#candidates(stuck)
    while (candidates.length > 0) {
      const next = this.#order.next(candidates, nowMs)
      const line = next === undefined ? undefined : this.#lineOf(next)
      if (next === undefined || line === undefined) {
        return
      }
      if (take(next)) {
        this.#remove(next, line)
        this.#order.began?.(next)
        this.#order.left?.(next)
        candidates = this.#candidates(stuck)
      } else {
        stuck.add(line)
        candidates = candidates.filter((other) => this.#lineOf(other) !== line)
      }
    }
  }

  token(request: LabRequest, nowMs: number): void {
    this.#order.token?.(request, nowMs)
  }

  ended(request: LabRequest): void {
    this.#order.ended?.(request)
  }

  #candidates(stuck: ReadonlySet<Line>): readonly LabRequest[] {
    const { depth = 1 } = this.#order
    const candidates: LabRequest[] = []
    for (const lines of this.#tenants.values()) {
      for (const line of lines.values()) {
        if (!stuck.has(line)) {
          // Nothing but cached prefixes makes a later one better than the first.
          candidates.push(...line.slice(0, line[0]?.blocks.length === 0 ? 1 : depth))
        }
      }
    }
    return candidates
  }

  #lineOf({ entry, adapter }: LabRequest): Line | undefined {
    return this.#tenants.get(entry.tenant)?.get(adapter?.id ?? 0)
  }

  #add(request: LabRequest, line: Line | undefined): void {
    this.#length += 1
    if (line !== undefined) {
      line.push(request)
      return
    }
    const { tenant } = request.entry
    const lines = this.#tenants.get(tenant) ?? new Map<number, Line>()
    this.#tenants.set(tenant, lines.set(request.adapter?.id ?? 0, [request]))
  }

  /** The line goes behind the tenant's others. */
  #remove(request: LabRequest, line: Line): void {
    const { tenant } = request.entry
    const adapter = request.adapter?.id ?? 0
    const lines = this.#tenants.get(tenant)
    this.#length -= 1
    line.splice(line.indexOf(request), 1)
    lines?.delete(adapter)
    if (line.length > 0) {
      lines?.set(adapter, line)
    } else if (lines?.size === 0) {
      this.#tenants.delete(tenant)
    }
  }
}

import type { Ticket } from './ticket.ts'

/** A tenant's tickets for one revision; `undefined` revision is the base. */
export interface WaitingLine {
  readonly tenant: string
  readonly revision: string | undefined
  readonly tickets: Ticket[]
  /** Why it waits, for the refusal when the wait ends. */
  waitsFor: 'Slot' | 'Place' | 'Load' | 'Replica'
  estimateMs: number
}

type Lines = Map<string, WaitingLine>

/** Who waits, by tenant and revision. A tenant's lines take turns; whose turn it is among tenants is not decided here. */
export class WaitingLines {
  readonly #byTenant = new Map<string, Lines>()

  find({ tenant, revision }: Pick<Ticket, 'tenant' | 'revision'>): WaitingLine | undefined {
    return this.#byTenant.get(tenant)?.get(revision ?? '')
  }

  get tenants(): string[] {
    return [...this.#byTenant.keys()]
  }

  /** In the order of their turns. */
  of(tenant: string): readonly WaitingLine[] {
    return [...(this.#byTenant.get(tenant)?.values() ?? [])]
  }

  all(): readonly WaitingLine[] {
    return [...this.#byTenant.values()].flatMap((lines) => [...lines.values()])
  }

  hasRevision(revision: string | undefined): boolean {
    for (const lines of this.#byTenant.values()) {
      if (lines.has(revision ?? '')) {
        return true
      }
    }
    return false
  }

  open({ tenant, revision }: Ticket): WaitingLine {
    const line: WaitingLine = {
      tenant,
      revision,
      tickets: [],
      waitsFor: 'Replica',
      estimateMs: 1000,
    }
    this.#linesOf(tenant).set(revision ?? '', line)
    return line
  }

  /** It was served: the tenant's others come first now. */
  putBehind(line: WaitingLine): void {
    const lines = this.#linesOf(line.tenant)
    lines.delete(line.revision ?? '')
    lines.set(line.revision ?? '', line)
  }

  /** False when it was not there any more. */
  close(line: WaitingLine): boolean {
    const lines = this.#byTenant.get(line.tenant)
    if (lines?.get(line.revision ?? '') !== line) {
      return false
    }
    lines.delete(line.revision ?? '')
    if (lines.size === 0) {
      this.#byTenant.delete(line.tenant)
    }
    return true
  }

  #linesOf(tenant: string): Lines {
    const lines = this.#byTenant.get(tenant) ?? new Map<string, WaitingLine>()
    this.#byTenant.set(tenant, lines)
    return lines
  }
}

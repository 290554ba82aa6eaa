import type { EnsureAnswer } from '../../src/api/agent-protocol.ts'
import type { Placement } from '../../src/gateway/replica-view.ts'

/** A replica as admission sees it; a test says what may go there and how much fits. */
export class FakeView {
  readonly engineProcess: string
  readonly placements = new Map<string, Placement>()
  readonly wanted: string[] = []
  readonly invited: string[] = []
  readonly ensured: string[] = []
  /** By tenant, tokens by weight. */
  readonly charged = new Map<string, number>()
  placesWanted = 0
  ensureAnswers: () => Promise<EnsureAnswer> = () =>
    Promise.resolve({ state: 'Loading', estimateMs: 4200 })
  ready = true
  inFlight = 0
  room = 1000
  hasTrial = false
  freeSlots = 8
  readonly replica = {
    link: {
      ensure: (revision: string) => {
        this.ensured.push(revision)
        return this.ensureAnswers()
      },
    },
  }

  constructor(engineProcess: string) {
    this.engineProcess = engineProcess
  }

  placementOf(revision: string | undefined): Placement {
    if (!this.ready) {
      return 'Down'
    }
    return this.inFlight >= this.room ? 'Full' : (this.placements.get(revision ?? '') ?? 'Now')
  }

  get hasRoom(): boolean {
    return this.ready && this.inFlight < this.room
  }

  charge(tenant: string, amount: number): void {
    this.charged.set(tenant, (this.charged.get(tenant) ?? 0) + amount)
  }

  wantPlace(): void {
    this.placesWanted += 1
  }

  release(): void {
    this.inFlight -= 1
  }

  acquire(): void {
    this.inFlight += 1
  }

  wantSlot(revision: string): void {
    if (!this.wanted.includes(revision)) {
      this.wanted.push(revision)
    }
  }

  unwantSlot(revision: string): void {
    const at = this.wanted.indexOf(revision)
    if (at !== -1) {
      this.wanted.splice(at, 1)
    }
  }

  inviteIntoFreeSlot(revision: string): void {
    this.invited.push(revision)
  }
}

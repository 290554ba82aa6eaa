import type { EnsureAnswer } from '../../src/api/agent-protocol.ts'
import type { SlotDelay } from '../../src/gateway/replica/slot-lease.ts'
import type { Work } from '../../src/gateway/replica/work.ts'
import type {
  Copy,
  Placement,
  OptionState,
  ReplicaAsk,
  ReplicaOption,
  ReplicaView,
} from '../../src/gateway/replica-view.ts'

/** A replica as admission sees it; a test says what may go there and how much fits. */
export class FakeView {
  readonly engineProcess: string
  /** Nothing may be remembered of these: a test gives out another array of views each time. */
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
  keptSlots = 0
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

  isRoutable(revision: string): boolean {
    return !['Down', 'NotRoutable'].includes(this.placementOf(revision))
  }

  placementThere({ revision }: Copy): Placement {
    return this.placementOf(revision)
  }

  copyOf(revision: string): Copy {
    const placement = this.placementOf(revision)
    const hasSlot = placement === 'Now' || placement === 'Full'
    return { view: this as unknown as ReplicaView, revision, hasSlot, isActive: hasSlot }
  }

  slotDelayOf({ isActive }: Copy): SlotDelay {
    if (isActive || this.freeSlots > 0) {
      return 'AtOnce'
    }
    return this.keptSlots > 0 ? 'OnDemand' : 'WhenOneEnds'
  }

  uncachedTokens({ promptTokens }: ReplicaAsk): number {
    return promptTokens
  }

  /** What it was told of answers. */
  readonly written: number[] = []

  optionFor(ask: ReplicaAsk, state: OptionState): ReplicaOption {
    return {
      view: this as unknown as ReplicaView,
      inFlight: this.inFlight,
      queuedPromptTokens: 0,
      remainingTokens: 0,
      beginnings: 0,
      slotsUsed: 0,
      ...state,
      uncachedTokens: ask.promptTokens,
      outputTokens: ask.outputTokens,
      rank: 0,
    }
  }

  readonly isShared = false
  readonly draining = false
  readonly pace = { stepMs: undefined }
  readonly queuedPromptTokens = 0

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

  read(): void {
    // Prompts are nothing to a view that only counts.
  }

  expect(work: Work, expectedTokens: number, writtenTokens: number): void {
    work.expectedTokens = expectedTokens
    work.remainingTokens = expectedTokens - writtenTokens
    this.written.push(writtenTokens)
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

/** @throws where there is none */
export function firstOf(views: readonly FakeView[]): FakeView {
  const [view] = views
  if (view === undefined) {
    throw new Error('no view')
  }
  return view
}

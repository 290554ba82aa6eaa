import type { ActivityMessage, GatewayLoad } from '../../api/agent-protocol.ts'
import { followActivity } from '../../api/follow-activity.ts'
import { beginningPart } from '../../core/route-cost.ts'
import { UnreadPrompts } from './unread-prompts.ts'
import { hasOnlyBegun, type Work } from './work.ts'

/** Nothing, or nobody said. */
const noLoad: GatewayLoad = { inFlight: 0, queuedPromptTokens: 0, remainingTokens: 0 }

/** The work at one engine: this gateway's own exactly, that of the others as its agent last told it. */
export class ReplicaLoad {
  readonly #byRevision = new Map<string, number>()
  readonly #unread = new UnreadPrompts()
  #own = 0
  #remainingTokens = 0
  #beginnings = 0
  #others = noLoad
  #gateways = 1
  /** What this gateway had itself when the others had that. */
  #ownThen = noLoad
  #adapters = 0
  readonly #active = new Set<string>()

  /** This gateway's requests. */
  get own(): number {
    return this.#own
  }

  /** As it is told to the other gateways. */
  get told(): GatewayLoad {
    return {
      inFlight: this.#own,
      queuedPromptTokens: Math.round(this.#unread.tokens),
      remainingTokens: Math.round(this.#remainingTokens),
    }
  }

  /** This gateway's requests for a revision. */
  countOf(revision: string): number {
    return this.#byRevision.get(revision) ?? 0
  }

  byRevision(): ReadonlyMap<string, number> {
    return this.#byRevision
  }

  /** Others choose among the same replicas. */
  get isShared(): boolean {
    return this.#gateways > 1
  }

  get inFlight(): number {
    return this.#own + this.#others.inFlight + this.#sinceThen(this.#own - this.#ownThen.inFlight)
  }

  get queuedPromptTokens(): number {
    const { queuedPromptTokens } = this.#others
    const here = this.#unread.tokens
    return here + queuedPromptTokens + this.#sinceThen(here - this.#ownThen.queuedPromptTokens)
  }

  get remainingTokens(): number {
    const { remainingTokens } = this.#others
    const here = this.#remainingTokens
    return here + remainingTokens + this.#sinceThen(here - this.#ownThen.remainingTokens)
  }

  /** Answers that have just begun, or will. Other gateways do not tell of theirs. */
  get beginnings(): number {
    const { inFlight } = this.#others
    const supposed = this.#sinceThen(this.#own - this.#ownThen.inFlight)
    return this.#beginnings + beginningPart * inFlight + supposed
  }

  /** Distinct adapters in flight. */
  get slotsUsed(): number {
    return Math.max(this.#byRevision.size, this.#adapters)
  }

  isActive(revision: string): boolean {
    return this.#byRevision.has(revision) || this.#active.has(revision)
  }

  begin(work: Work): void {
    const { revision } = work
    this.#own += 1
    this.#count(work, 1)
    this.#unread.add(work)
    if (revision !== undefined) {
      this.#byRevision.set(revision, this.countOf(revision) + 1)
    }
  }

  /** Its first token came. */
  read(work: Work): void {
    this.#unread.read(work)
  }

  /** So many tokens are expected of it by now, and so many are written. */
  expect(work: Work, expectedTokens: number, writtenTokens: number): void {
    this.#count(work, -1)
    work.expectedTokens = expectedTokens
    work.remainingTokens = Math.max(0, expectedTokens - writtenTokens)
    this.#count(work, 1)
  }

  end(work: Work, isAnswered: boolean): void {
    const { revision } = work
    if (isAnswered) {
      this.#unread.read(work)
    } else {
      this.#unread.drop(work)
    }
    this.#count(work, -1)
    this.#own -= 1
    if (revision !== undefined) {
      const left = this.countOf(revision) - 1
      if (left > 0) {
        this.#byRevision.set(revision, left)
      } else {
        this.#byRevision.delete(revision)
      }
    }
  }

  /**
   * What all gateways said, by name.
   * @param adapters distinct ones in flight, of all
   */
  hear(self: string, loads: Readonly<Record<string, GatewayLoad>>, adapters: number): void {
    let gateways = 1
    let inFlight = 0
    let queuedPromptTokens = 0
    let remainingTokens = 0
    for (const [gateway, load] of Object.entries(loads)) {
      if (gateway !== self) {
        gateways += 1
        inFlight += load.inFlight
        queuedPromptTokens += load.queuedPromptTokens
        remainingTokens += load.remainingTokens
      }
    }
    this.#gateways = gateways
    this.#others = { inFlight, queuedPromptTokens, remainingTokens }
    this.#ownThen = loads[self] ?? noLoad
    this.#adapters = adapters
  }

  /** What is in flight there changed, of any gateway. */
  hearActivity(message: Pick<ActivityMessage, 'began' | 'ended'>): void {
    followActivity(this.#active, message)
  }

  /** The agent will say anew what is in flight. */
  forgetActivity(): void {
    this.#active.clear()
  }

  /** Another engine process: what the others had at the old one is over. */
  forgetOthers(): void {
    this.hear('', {}, 0)
  }

  /** In, or out again as it was when it went in. */
  #count(work: Work, sign: 1 | -1): void {
    this.#remainingTokens += sign * work.remainingTokens
    this.#beginnings += sign * beginningsOf(work)
  }

  /**
   * What the others have probably sent since they were heard: as much as this gateway itself, because they choose by the
   * same rule among the same replicas. Without it, each of them fills a gap alone, and all of them together overfill it.
   */
  #sinceThen(grown: number): number {
    return Math.max(0, grown) * (this.#gateways - 1)
  }
}

/** 1 where its answer has just begun; where nobody knows, as much of it as there is of a beginning in an answer. */
function beginningsOf(work: Work): number {
  return work.isStreamed ? Number(hasOnlyBegun(work)) : beginningPart
}

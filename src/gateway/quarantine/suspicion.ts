import { knownGoneMs, type EngineFate } from '../relay/engine-fate.ts'
import type { LoraplexError } from '../../errors.ts'
import type { Quarantine } from './quarantine.ts'
import type { ReplicaView } from '../replica-view.ts'

export interface SuspicionOptions {
  readonly quarantine: Quarantine
  readonly stream: boolean
  /** Only asked where engines died of late. */
  readonly fingerprint: () => string
  readonly now: () => number
}

/** Of a suspect whose engine takes long to its first byte: so long, and the next one may go. */
const trialMs = 1000

/** One request's part in the quarantine: whether it may have killed an engine, and how carefully it is tried again. */
export class Suspicion {
  readonly #options: SuspicionOptions
  #fingerprint: string | undefined
  /** It was lost here with what may have been a process's end. */
  #losses = 0
  #lastLostAt = ''
  #trial:
    | { readonly end: () => void; readonly sinceMs: number; readonly isWhole: boolean }
    | undefined

  constructor(options: SuspicionOptions) {
    this.#options = options
  }

  get refusal(): LoraplexError | undefined {
    const { quarantine } = this.#options
    return quarantine.isIdle ? undefined : quarantine.refusal(this.#print)
  }

  /** One at a time at an engine: the next death is then the work of one. */
  get isOnTrial(): boolean {
    return this.#deaths >= 2 || (this.#deaths === 1 && this.#options.stream)
  }

  /** It is sent to an engine. */
  began(view: ReplicaView): void {
    if (this.isOnTrial) {
      const end = view.beginTrial()
      this.#trial = { end, sinceMs: this.#options.now(), isWhole: this.#deaths >= 2 }
    }
  }

  /** It has begun to answer, or time went by. A suspect of two deaths is on trial to its end. */
  proceeded(now: number, hasAnswered: boolean): void {
    const trial = this.#trial
    if (trial?.isWhole === false && (hasAnswered || now - trial.sinceMs > trialMs)) {
      this.left()
    }
  }

  /** It is at no engine any more. */
  left(): void {
    const trial = this.#trial
    this.#trial = undefined
    trial?.end()
  }

  /**
   * Its attempt was lost. True where that may have been a process's death, and not the first with this request: no other
   * engine gets it before that is known. A process that lives on, or that was told to end, is nobody's victim.
   */
  lost(view: ReplicaView, engineProcess: string, fate: EngineFate, tokens: number): boolean {
    if (fate === 'Lives' || view.draining) {
      return false
    }
    const isGrave = this.#deaths > 0
    this.#losses += 1
    this.#lastLostAt = view.lifeOf(engineProcess)
    this.#options.quarantine.lost(this.#lastLostAt, { fingerprint: this.#print, tokens })
    return isGrave
  }

  /** Tells when it is known whether the engine that lost it died. */
  onVerdict(fate: EngineFate, tell: () => void): void {
    this.#options.quarantine.onVerdict(this.#lastLostAt, knownGoneMs[fate], tell)
  }

  /** It was answered whole. */
  cleared(): void {
    const { quarantine } = this.#options
    if (!quarantine.isIdle) {
      quarantine.cleared(this.#print)
    }
  }

  get #deaths(): number {
    return Math.max(this.#judged, Math.min(1, this.#losses))
  }

  get #judged(): number {
    const { quarantine } = this.#options
    return quarantine.isIdle ? 0 : quarantine.deathsOf(this.#print)
  }

  get #print(): string {
    this.#fingerprint ??= this.#options.fingerprint()
    return this.#fingerprint
  }
}

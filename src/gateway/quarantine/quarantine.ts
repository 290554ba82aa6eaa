import { DeathSuspects, type Casualty } from '../../core/death-suspects.ts'
import { LoraplexError } from '../../errors.ts'
import type { InferenceRequest } from '../request/inference-request.ts'
import { requestFingerprint } from './request-fingerprint.ts'

/** Of one process: what was lost there, and who wants to know whether it died. */
interface Losses {
  readonly casualties: Casualty[]
  readonly waiters: (() => void)[]
  readonly sinceMs: number
  timer: NodeJS.Timeout | undefined
}

/** The connections of a dead process do not all break in the same moment, and the agent may be faster than they. */
const settleMs = 100

/** A process whose end nobody confirmed in so long lives on: what broke was a connection. */
const confirmMs = 15_000

/** Requests that kill engines, as far as one gateway sees. A process has died when its agent says that it is gone. */
export class Quarantine {
  readonly #suspects = new DeathSuspects()
  readonly #losses = new Map<string, Losses>()
  readonly #secret: Buffer
  readonly #now: () => number

  /** @param secret of the installation: nobody else can tell what a fingerprint was made of. */
  constructor(secret: Buffer, now: () => number) {
    this.#secret = secret
    this.#now = now
  }

  /** Nobody is suspected: fingerprints are not worth their time. */
  get isIdle(): boolean {
    return this.#suspects.size === 0
  }

  fingerprintOf(tenant: string, model: string, request: InferenceRequest): string {
    return requestFingerprint(this.#secret, tenant, model, request)
  }

  deathsOf(fingerprint: string): number {
    return this.#suspects.deathsOf(fingerprint, this.#now())
  }

  refusal(fingerprint: string): LoraplexError | undefined {
    return this.#suspects.isCondemned(fingerprint, this.#now())
      ? new LoraplexError(
          'request_quarantined',
          'The engine died each time it was given this request, so it is not given it again for ten minutes. Change the request.',
        )
      : undefined
  }

  /** The connection to this process broke with a request at it, or it said that it ends. */
  lost(engineProcess: string, casualty: Casualty): void {
    this.#lossesOf(engineProcess).casualties.push(casualty)
  }

  /** The agent knows of the process no more. */
  ended(engineProcess: string): void {
    const losses = this.#lossesOf(engineProcess)
    losses.timer ??= setTimeout(() => this.#judge(engineProcess, losses), settleMs)
  }

  /** Tells when it is known whether the process died, or when nobody said so in time. */
  onVerdict(engineProcess: string, withinMs: number, tell: () => void): void {
    const timer = setTimeout(tell, withinMs)
    this.#lossesOf(engineProcess).waiters.push(() => {
      clearTimeout(timer)
      tell()
    })
  }

  cleared(fingerprint: string): void {
    this.#suspects.clear(fingerprint)
  }

  sweep(): void {
    const now = this.#now()
    this.#suspects.tidy(now)
    for (const [engineProcess, losses] of this.#losses) {
      if (losses.timer === undefined && now - losses.sinceMs > confirmMs) {
        this.#end(engineProcess, losses)
      }
    }
  }

  close(): void {
    for (const [engineProcess, losses] of this.#losses) {
      this.#end(engineProcess, losses)
    }
  }

  #judge(engineProcess: string, losses: Losses): void {
    this.#suspects.died(losses.casualties, this.#now())
    this.#end(engineProcess, losses)
  }

  #end(engineProcess: string, { timer, waiters }: Losses): void {
    clearTimeout(timer)
    this.#losses.delete(engineProcess)
    for (const tell of waiters) {
      tell()
    }
  }

  #lossesOf(engineProcess: string): Losses {
    const losses = this.#losses.get(engineProcess) ?? {
      casualties: [],
      waiters: [],
      sinceMs: this.#now(),
      timer: undefined,
    }
    this.#losses.set(engineProcess, losses)
    return losses
  }
}

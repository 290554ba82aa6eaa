import { systemClock, type Clock } from './clock.ts'
import { isKubeError } from './kube-api-error.ts'
import { silentKubeLogger, type KubeLogger } from './kube-logger.ts'
import { leaseType, type Lease, type LeaseSpec } from './lease.ts'
import { checkLeaderTiming, defaultLeaderTiming, type LeaderTiming } from './leader-timing.ts'
import { microTime } from './micro-time.ts'
import { pause } from './pause.ts'
import { Term } from './term.ts'
import type { KubeClient, Leadership } from './types.ts'

export interface LeaderElectionOptions {
  /** A client of its own: without fencing, and with `retries: 0`, as a renewal that comes late is none. */
  readonly client: KubeClient
  readonly namespace: string
  /** The Lease's name. */
  readonly name: string
  /** Differs in every process that ever stands: `POD_NAME` and a uuid. */
  readonly identity: string
  readonly timing?: Partial<LeaderTiming>
  /** Called each time this process comes to lead. */
  readonly onLead: (leadership: Leadership) => void
  readonly logger?: KubeLogger
  readonly clock?: Clock
  readonly wallClock?: () => Date
}

/** Stands for election by a Lease, until closed. */
export interface LeaderElection {
  /** Undefined while another leads. */
  readonly leadership: Leadership | undefined
  start(): void
  /** Ends leadership, then gives the Lease away, so that the next one need not wait for it to run out. */
  close(): Promise<void>
}

export function createLeaderElection(options: LeaderElectionOptions): LeaderElection {
  return new LeaseElection(options)
}

/** The Lease as this process saw it, and when by its own clock: the other's clock may be wrong. */
interface Observation {
  readonly lease: Lease
  readonly changedAtMs: number
}

class LeaseElection implements LeaderElection {
  readonly #options: LeaderElectionOptions
  readonly #timing: LeaderTiming
  readonly #logger: KubeLogger
  readonly #clock: Clock
  readonly #end = new AbortController()
  #running: Promise<void> = Promise.resolve()
  #seen: Observation | undefined
  #term: Term | undefined
  #highestTerm = 0

  constructor(options: LeaderElectionOptions) {
    this.#options = options
    this.#timing = checkLeaderTiming({ ...defaultLeaderTiming, ...options.timing })
    this.#logger = options.logger ?? silentKubeLogger
    this.#clock = options.clock ?? systemClock
  }

  get leadership(): Leadership | undefined {
    return this.#term?.mayWrite() === true ? this.#term : undefined
  }

  start(): void {
    this.#running = this.#run()
  }

  async close(): Promise<void> {
    const term = this.#term
    this.#term = undefined
    const wasLeading = term?.mayWrite() === true
    // First nothing more is written, then another may.
    term?.end()
    this.#end.abort()
    await this.#running
    if (wasLeading) {
      await this.#release()
    }
  }

  async #run(): Promise<void> {
    const { signal } = this.#end
    while (!signal.aborted) {
      try {
        await (this.#term === undefined ? this.#stand(signal) : this.#renew(this.#term, signal))
      } catch (error) {
        if (!signal.aborted && !isKubeError(error, 'Conflict', 'AlreadyExists')) {
          this.#logger.warn(
            { err: error, lease: this.#options.name },
            'the Lease could not be asked',
          )
        }
      }
      if (this.#term?.mayWrite() === false) {
        this.#term = undefined
        this.#logger.warn({ lease: this.#options.name }, 'leadership was lost')
      }
      await pause(this.#waitMs(), signal)
    }
  }

  /** A leader's wait is plain; others look again at the very moment the Lease runs out. */
  #waitMs(): number {
    const { retryPeriodMs } = this.#timing
    const leftMs = this.#term === undefined ? this.#untilFreeMs() : Infinity
    return leftMs > 0 ? Math.min(retryPeriodMs, leftMs) : retryPeriodMs
  }

  async #stand(signal: AbortSignal): Promise<void> {
    const { client, namespace, name, identity } = this.#options
    const sinceMs = this.#clock.now()
    const lease = await client.get(leaseType, { namespace, name }, this.#limit(signal))
    if (lease === undefined) {
      // One that was there a moment ago may still be led by: its holder has not noticed yet.
      if (this.#untilFreeMs() <= 0) {
        this.#lead(await this.#create(signal), sinceMs)
      }
      return
    }
    this.#observe(lease)
    const holder = lease.spec?.holderIdentity ?? ''
    if (holder === '' || holder === identity || this.#untilFreeMs() <= 0) {
      this.#lead(await this.#take(lease, signal), sinceMs)
    }
  }

  #create(signal: AbortSignal): Promise<Lease> {
    const { client, namespace, name } = this.#options
    // Minutes since 2020: above every term of a Lease of that name that somebody deleted.
    const firstTerm = Math.floor((this.#today().getTime() - Date.UTC(2020)) / 60_000)
    const spec = this.#claim(Math.max(firstTerm, this.#highestTerm + 1))
    return client.create(leaseType, { metadata: { namespace, name }, spec }, this.#limit(signal))
  }

  #take(lease: Lease, signal: AbortSignal): Promise<Lease> {
    const transitions = lease.spec?.leaseTransitions ?? 0
    const spec = this.#claim(Math.max(transitions, this.#highestTerm) + 1)
    return this.#patch(lease, spec, signal)
  }

  #claim(leaseTransitions: number): LeaseSpec {
    const now = microTime(this.#today())
    return {
      holderIdentity: this.#options.identity,
      leaseDurationSeconds: Math.max(1, Math.ceil(this.#timing.leaseDurationMs / 1000)),
      acquireTime: now,
      renewTime: now,
      leaseTransitions,
    }
  }

  #lead(lease: Lease, sinceMs: number): void {
    this.#observe(lease)
    const term = new Term({
      term: lease.spec?.leaseTransitions ?? 0,
      renewDeadlineMs: this.#timing.renewDeadlineMs,
      renewedAtMs: sinceMs,
      clock: this.#clock,
    })
    if (this.#end.signal.aborted || !term.mayWrite()) {
      term.end()
      return
    }
    this.#highestTerm = term.term
    this.#term = term
    this.#logger.info({ lease: this.#options.name, term: term.term }, 'this process leads')
    try {
      this.#options.onLead(term)
    } catch (error) {
      this.#logger.warn({ err: error, lease: this.#options.name }, 'what the leader begins failed')
    }
  }

  async #renew(term: Term, signal: AbortSignal): Promise<void> {
    const sinceMs = this.#clock.now()
    try {
      const known = this.#seen?.lease ?? (await this.#read(signal))
      this.#observe(await this.#patch(known, { renewTime: microTime(this.#today()) }, signal))
      term.renewed(sinceMs)
    } catch (error) {
      if (isKubeError(error, 'NotFound')) {
        // Somebody deleted it: another may make it anew at any moment.
        term.end()
        return
      }
      if (!isKubeError(error, 'Conflict')) {
        throw error
      }
      const lease = await this.#read(signal)
      this.#observe(lease)
      if (lease.spec?.holderIdentity !== this.#options.identity) {
        term.end()
      } else if ((lease.spec.leaseTransitions ?? 0) < term.term) {
        // Edited by hand: the next holder's term must not be one that was there before.
        this.#observe(await this.#patch(lease, { leaseTransitions: term.term }, signal))
      }
    }
  }

  async #read(signal: AbortSignal): Promise<Lease> {
    const { client, namespace, name } = this.#options
    return (
      (await client.get(leaseType, { namespace, name }, this.#limit(signal))) ?? {
        metadata: { namespace, name },
      }
    )
  }

  async #release(): Promise<void> {
    const limit = AbortSignal.timeout(this.#timing.retryPeriodMs)
    try {
      // Read anew: a renewal may have arrived whose answer was not waited for.
      const lease = await this.#read(limit)
      if (lease.spec?.holderIdentity === this.#options.identity) {
        const renewTime = microTime(this.#today())
        await this.#patch(lease, { holderIdentity: '', leaseDurationSeconds: 1, renewTime }, limit)
      }
    } catch (error) {
      this.#logger.warn({ err: error, lease: this.#options.name }, 'the Lease was not given away')
    }
  }

  /** The resource version makes it a conflict where anybody wrote in between. */
  #patch({ metadata }: Lease, spec: LeaseSpec, signal: AbortSignal): Promise<Lease> {
    const { client, namespace, name } = this.#options
    const { resourceVersion } = metadata
    const guard = resourceVersion === undefined ? {} : { metadata: { resourceVersion } }
    const key = { namespace, name }
    return client.mergePatch(leaseType, key, { ...guard, spec }, {}, this.#limit(signal))
  }

  #observe(lease: Lease): void {
    const isChanged = lease.metadata.resourceVersion !== this.#seen?.lease.metadata.resourceVersion
    const changedAtMs = isChanged ? this.#clock.now() : (this.#seen?.changedAtMs ?? 0)
    this.#seen = { lease, changedAtMs }
    this.#highestTerm = Math.max(this.#highestTerm, lease.spec?.leaseTransitions ?? 0)
  }

  /** Until a Lease that nobody renews is free, by what this process saw itself. */
  #untilFreeMs(): number {
    if (this.#seen === undefined) {
      return 0
    }
    const { lease, changedAtMs } = this.#seen
    const ownMs = this.#timing.leaseDurationMs
    const saidMs = (lease.spec?.leaseDurationSeconds ?? 0) * 1000
    return changedAtMs + Math.max(ownMs, saidMs) - this.#clock.now()
  }

  /** One request that hangs leaves time for another. */
  #limit(signal: AbortSignal): AbortSignal {
    return AbortSignal.any([signal, AbortSignal.timeout(this.#timing.renewDeadlineMs / 2)])
  }

  #today(): Date {
    return this.#options.wallClock?.() ?? new Date()
  }
}

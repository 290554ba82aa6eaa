import { randomBytes } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { performance } from 'node:perf_hooks'
import { Bag } from '../core/bag.ts'
import type { Caller, RouteTarget, RoutingTable } from '../core/resolve.ts'
import { LoraplexError } from '../errors.ts'
import { acknowledgedBy, acknowledgementVersionsOf } from './acknowledgements.ts'
import { requireAdmitted } from './authenticate.ts'
import { createPoolState } from './admission/create-pool-state.ts'
import { createSuspicion } from './quarantine/create-suspicion.ts'
import { countDemand } from './count-demand.ts'
import type { PoolDemand } from './demand-count.ts'
import { Exchange, type ExchangeLimits, type ExchangeOutcome } from './relay/exchange.ts'
import { GatewayMetrics } from './gateway-metrics.ts'
import type { InferenceRequest } from './request/inference-request.ts'
import { LoadingRoom } from './admission/loading-room.ts'
import { memoryMeter } from './metering/memory-meter.ts'
import type { Meter } from './metering/meter.ts'
import { waitOf } from './metering/wait-of.ts'
import { resolveTarget, type PoolFacts } from './models.ts'
import { endOfWait, patienceOf, type Patience, type WaitLimits } from './admission/patience.ts'
import { poolFactsOf } from './pool-facts.ts'
import type { PoolState } from './admission/pool-state.ts'
import { defaultAdmissionLimits, type AdmissionLimits } from './admission/queue-bounds.ts'
import { Quarantine } from './quarantine/quarantine.ts'
import { PromptPrefixes } from './prefix/prompt-prefixes.ts'
import { PromptCounter } from './prompt-counter.ts'
import { ReplicaView, type GatewayReplica } from './replica-view.ts'
import { RequestIds } from './request-ids.ts'
import { TenantSalts } from './tenant-salts.ts'

export interface GatewayOptions {
  /** Key of `cache_salt`; from the installation's secret, so that it outlives a restart. */
  readonly saltSecret: Buffer
  /** How long a request may wait for a slot, a load or a replica. */
  readonly maxQueueMs?: number
  /** How long one may wait for the first replica of a pool, if its engines take so long; default: no longer. */
  readonly maxColdStartMs?: number
  /** Default: no less than what agents learn that an engine takes. */
  readonly maxInFlightPerReplica?: number
  readonly admission?: Partial<AdmissionLimits>
  readonly limits?: Partial<ExchangeLimits>
  /** Limits, budgets and bills. Default: limits in memory, and no bills. */
  readonly meter?: Meter
}

const emptyTable: RoutingTable = { callers: new Map(), revisions: new Set(), pools: new Map() }

/**
 * A gateway's state apart from HTTP: the routing table, one view a replica, one waiting room a pool, and the exchanges
 * under way. Needs no controller to serve.
 */
export class Gateway {
  readonly metrics: GatewayMetrics
  readonly meter: Meter
  readonly #options: GatewayOptions
  readonly #id = `gw-${randomBytes(6).toString('hex')}`
  readonly #views = new Map<string, ReplicaView>()
  readonly #viewsByPool = new Map<string, ReplicaView[]>()
  readonly #pools = new Map<string, PoolState>()
  readonly #exchanges = new Bag<Exchange>()
  readonly #salts: TenantSalts
  readonly #waits: WaitLimits
  readonly #admissionLimits: AdmissionLimits
  readonly #limits: ExchangeLimits
  readonly #loading: LoadingRoom
  readonly #quarantine: Quarantine
  readonly #counter = new PromptCounter()
  readonly #prefixes = new PromptPrefixes()
  /** Replicas that left the list while requests ran there. */
  readonly #retired = new Set<ReplicaView>()
  readonly #timers: readonly NodeJS.Timeout[]
  readonly #idleWaiters: (() => void)[] = []
  readonly #requestIds = new RequestIds()
  #table: RoutingTable = emptyTable
  #callersByKey: ReadonlyMap<string, Caller> | undefined
  /** Requests whose name waits to stand for a revision. */
  #unresolved = 0
  #leaving = false
  #draining = false
  #closed = false
  #viewsMade = 0
  #waitListener: ((poolKey: string) => void) | undefined
  readonly #onWait = (poolKey: string): void => this.#waitListener?.(poolKey)

  constructor(options: GatewayOptions) {
    this.#options = options
    this.#salts = new TenantSalts(options.saltSecret)
    this.#quarantine = new Quarantine(options.saltSecret, () => performance.now())
    const { maxQueueMs = 30_000, maxColdStartMs = 0 } = options
    this.#waits = { maxQueueMs, maxColdStartMs }
    this.#limits = {
      slowReaderMs: 30_000,
      keepAliveMs: 15_000,
      engineSilenceMs: 60_000,
      ...options.limits,
    }
    this.#admissionLimits = { ...defaultAdmissionLimits, ...options.admission }
    this.meter = options.meter ?? memoryMeter(options.saltSecret)
    this.#loading = new LoadingRoom(this.#admissionLimits, this.#onWait)
    this.metrics = new GatewayMetrics({
      limits: this.meter.watch,
      inFlight: () => this.inFlight,
      queued: () => this.queued,
    })
    this.#timers = [
      setInterval(() => this.#renewLeases(), 100).unref(),
      setInterval(() => this.#sweep(), 500).unref(),
    ]
  }

  get table(): RoutingTable {
    return this.#table
  }

  get draining(): boolean {
    return this.#draining
  }

  /** About to drain: still serves, and asks callers to come on another connection the next time. */
  get leaving(): boolean {
    return this.#leaving || this.#draining
  }

  announceLeave(): void {
    this.#leaving = true
  }

  get inFlight(): number {
    return this.#exchanges.size + this.#unresolved
  }

  get queued(): number {
    let queued = this.#loading.waiting
    for (const { admission } of this.#pools.values()) {
      queued += admission.queued
    }
    return queued
  }

  nextRequestId(): string {
    return this.#requestIds.next()
  }

  /** The new table holds for every request that arrives from now on; those under way keep what they resolved to (I1). */
  setTable(table: RoutingTable): void {
    this.#table = table
    this.#callersByKey = undefined
    this.#loading.wake()
  }

  /** Level-triggered: the whole list of replicas; the others get nothing new, and what runs there ends by itself (I4). */
  setReplicas(replicas: readonly GatewayReplica[]): void {
    const wanted = new Map(replicas.map((replica) => [replica.name, replica]))
    for (const [name, view] of this.#views) {
      if (wanted.get(name) !== view.replica) {
        this.#views.delete(name)
        view.retire()
        this.#retired.add(view)
      }
    }
    for (const [name, replica] of wanted) {
      if (!this.#views.has(name)) {
        this.#views.set(name, this.#createView(replica))
      }
    }
    this.#viewsByPool.clear()
    for (const view of this.#views.values()) {
      const { poolKey } = view.replica
      this.#viewsByPool.set(poolKey, [...(this.#viewsByPool.get(poolKey) ?? []), view])
    }
    for (const { admission } of this.#pools.values()) {
      admission.pump()
    }
  }

  /** Revisions that the table names and that a request could go to right now, or after a slot: the acknowledgement. */
  acknowledged(poolKey: string): ReadonlySet<string> {
    return acknowledgedBy(this.#viewsOf(poolKey), this.#table.revisions)
  }

  /** What waits and runs, by pool and revision; the base is `base`, names that no revision answers yet are `loading`. */
  demand(): PoolDemand {
    return countDemand([...this.#views.values(), ...this.#retired], this.#pools, this.#loading)
  }

  /** From now on `demand` names no revision without a request since the last call. */
  forgetOldArrivals(): void {
    for (const { arrivals } of this.#pools.values()) {
      arrivals.turn()
    }
  }

  /** Pools with replicas, and for each a text that changes whenever what it acknowledges may have. */
  acknowledgementVersions(): ReadonlyMap<string, string> {
    return acknowledgementVersionsOf(this.#viewsByPool)
  }

  /** Tells when a request begins to wait. One listener: whoever reports demand. */
  onWait(listener: ((poolKey: string) => void) | undefined): void {
    this.#waitListener = listener
  }

  /** By pool, once somebody asked for it or it has replicas. */
  get pools(): ReadonlyMap<string, PoolState> {
    return this.#pools
  }

  factsOf(poolKey: string): PoolFacts {
    return poolFactsOf(this.#viewsOf(poolKey))
  }

  views(): readonly ReplicaView[] {
    return [...this.#views.values()]
  }

  /**
   * Takes a request that has passed authentication and reading. Once an exchange has begun, it answers on `response` in
   * every case; before that, refusals are thrown, or come as a rejection where the name has to be waited for.
   * @throws LoraplexError
   */
  serve(
    caller: Caller,
    request: InferenceRequest,
    id: string,
    waitMs: number | undefined,
    response: ServerResponse,
  ): Promise<void> | undefined {
    if (this.#draining) {
      throw new LoraplexError(
        'shutting_down',
        'This gateway is being stopped; another one takes the request.',
        { retryAfterMs: 1000 },
      )
    }
    const target = resolveTarget(caller, request.model)
    const isCold = this.#poolOf(target.poolKey).admission.warmth.warmSince === undefined
    const patience = patienceOf(target.pool, this.#waits, {
      waitMs: waitOf(caller, target, waitMs),
      isCold,
      now: performance.now(),
    })
    if (target.state === 'Loading') {
      return this.#serveLater(caller, request, id, patience, response)
    }
    this.#start(caller, request, target, id, patience, response)
    return undefined
  }

  async #serveLater(
    caller: Caller,
    request: InferenceRequest,
    id: string,
    patience: Patience,
    response: ServerResponse,
  ): Promise<void> {
    this.#unresolved += 1
    try {
      const ready = await this.#untilReady(caller, request, patience, response)
      if (ready !== undefined) {
        this.#start(ready.caller, request, ready.target, id, patience, response)
      }
    } finally {
      this.#unresolved -= 1
      this.#tellIdle()
    }
  }

  /** Nothing new is taken; resolves when the last exchange has ended, or when the signal says that it is too late. */
  drain(signal: AbortSignal): Promise<void> {
    this.#draining = true
    return this.untilIdle(signal)
  }

  /** Resolves when no exchange is under way, or when the signal says that it is too late. */
  async untilIdle(signal: AbortSignal): Promise<void> {
    if (this.inFlight === 0 || signal.aborted) {
      return
    }
    await new Promise<void>((resolve) => {
      this.#idleWaiters.push(resolve)
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
  }

  /** Ends what is left with an error each, and every connection. */
  async close(): Promise<void> {
    this.#draining = true
    this.#closed = true
    for (const timer of this.#timers) {
      clearInterval(timer)
    }
    this.#loading.wake()
    for (const exchange of this.#exchanges) {
      exchange.fail(stopped())
    }
    const views = [...this.#views.values(), ...this.#retired]
    this.#views.clear()
    this.#viewsByPool.clear()
    this.#retired.clear()
    await Promise.all(views.map((view) => view.close()))
    this.#quarantine.close()
    this.meter.close()
  }

  /** A name whose first revision is still being proved: waits for the table to say what it is. */
  async #untilReady(
    caller: Caller,
    request: InferenceRequest,
    patience: Patience,
    response: ServerResponse,
  ): Promise<{ readonly caller: Caller; readonly target: RouteTarget } | undefined> {
    const { poolKey } = resolveTarget(caller, request.model)
    const waiter = { tenant: caller.tenant, sizeBytes: request.sizeBytes, poolKey }
    const { admission } = this.#poolOf(poolKey)
    const leftMs = (): number => endOfWait(patience, admission.warmth) - performance.now()
    for (;;) {
      // A part at a time: when an engine comes, the end comes nearer.
      const partMs = Math.min(leftMs(), this.#waits.maxQueueMs)
      const reason = await this.#loading.wait(waiter, partMs, response)
      if (reason === 'CallerGone' || response.destroyed) {
        return undefined
      }
      if (this.#closed) {
        throw stopped()
      }
      // I13: what the key may do is asked again, too.
      const present = this.#callerOf(caller.keyKey)
      if (present === undefined) {
        throw new LoraplexError('invalid_api_key', 'Incorrect API key provided.')
      }
      requireAdmitted(present, Date.now())
      const target = resolveTarget(present, request.model)
      if (target.state !== 'Loading') {
        return { caller: present, target }
      }
      if (reason === 'TimeUp' && leftMs() <= 0) {
        throw new LoraplexError(
          'adapter_loading',
          `The adapter '${request.model}' is still being loaded.`,
          { retryAfterMs: 2000 },
        )
      }
    }
  }

  #callerOf(keyKey: string): Caller | undefined {
    this.#callersByKey ??= new Map(
      [...this.#table.callers.values()].map((caller) => [caller.keyKey, caller]),
    )
    return this.#callersByKey.get(keyKey)
  }

  #start(
    caller: Caller,
    request: InferenceRequest,
    target: RouteTarget,
    id: string,
    patience: Patience,
    response: ServerResponse,
  ): void {
    if (response.destroyed) {
      return
    }
    const views = (): readonly ReplicaView[] => this.#viewsOf(target.poolKey)
    const engines = this.#counter.enginesOf(caller.tenant, target.revision, views)
    const charge = this.meter.charge(caller, target, request, id, engines)
    const { admission, retries, arrivals } = this.#poolOf(target.poolKey)
    retries.noteRequest()
    const exchange = new Exchange(
      {
        id,
        request,
        caller,
        target,
        charge,
        cacheSalt: this.#salts.of(caller.tenant),
        prefix: this.#prefixes.of(caller.tenant, target.revision, request),
        patience,
        admission,
        retries,
        arrivals,
        suspicion: createSuspicion(this.#quarantine, caller.tenant, target, request),
        limits: this.#limits,
        now: () => performance.now(),
        isLeaving: () => this.leaving,
        onEnd: this.#onEnd,
      },
      response,
    )
    this.#exchanges.add(exchange)
    exchange.start()
  }

  readonly #onEnd = (exchange: Exchange, outcome: ExchangeOutcome): void => {
    this.#exchanges.delete(exchange)
    this.metrics.observe(exchange.context.target, exchange.context.caller.tenant, outcome)
    this.#tellIdle()
  }

  #tellIdle(): void {
    if (this.inFlight === 0) {
      for (const resolve of this.#idleWaiters.splice(0)) {
        resolve()
      }
    }
  }

  #viewsOf(poolKey: string): readonly ReplicaView[] {
    return this.#viewsByPool.get(poolKey) ?? []
  }

  #poolOf(poolKey: string): PoolState {
    let pool = this.#pools.get(poolKey)
    if (pool === undefined) {
      pool = createPoolState(
        () => this.#viewsOf(poolKey),
        this.#admissionLimits,
        () => this.#onWait(poolKey),
      )
      this.#pools.set(poolKey, pool)
    }
    return pool
  }

  #createView(replica: GatewayReplica): ReplicaView {
    this.#viewsMade += 1
    const { admission } = this.#poolOf(replica.poolKey)
    return new ReplicaView(replica, {
      // A name of its own: a view that still ends its requests must not speak for its successor on the same replica.
      gateway: `${this.#id}.${this.#viewsMade}`,
      maxInFlight: this.#options.maxInFlightPerReplica ?? 8192,
      now: () => performance.now(),
      order: admission,
      onProcessEnded: (life) => this.#quarantine.ended(life),
      onRoutable: (revision) => admission.movedIn(revision),
      onLoaded: (ms) => admission.loaded(ms),
      onChange: () => admission.pump(),
    })
  }

  #renewLeases(): void {
    for (const view of this.#views.values()) {
      view.renewLease()
    }
    for (const view of this.#retired) {
      if (view.inFlight === 0) {
        this.#retired.delete(view)
        void view.close()
      } else {
        view.renewLease()
      }
    }
  }

  #sweep(): void {
    const now = performance.now()
    this.#quarantine.sweep()
    for (const exchange of this.#exchanges) {
      exchange.sweep(now)
    }
    for (const { admission } of this.#pools.values()) {
      admission.sweep()
    }
  }
}

const stopped = (): LoraplexError =>
  new LoraplexError('shutting_down', 'The service was stopped.', { retryAfterMs: 1000 })

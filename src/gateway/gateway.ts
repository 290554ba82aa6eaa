import { createHmac, randomBytes } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { performance } from 'node:perf_hooks'
import type { Caller, RouteTarget, RoutingTable } from '../core/resolve.ts'
import { LoraplexError } from '../errors.ts'
import { defaultAdmissionLimits, PoolAdmission, type AdmissionLimits } from './admission.ts'
import { Exchange, type ExchangeLimits, type ExchangeOutcome } from './exchange.ts'
import { GatewayMetrics } from './gateway-metrics.ts'
import type { InferenceRequest } from './inference-request.ts'
import { modelNotFound, requireServing, type PoolFacts } from './models.ts'
import { ReplicaView, type GatewayReplica } from './replica-view.ts'
import { RetryBudget } from './retry-budget.ts'

export interface GatewayOptions {
  /** Key of `cache_salt`; from the installation's secret, so that it outlives a restart. */
  readonly saltSecret: Buffer
  /** How long a request may wait for a slot, a load or a replica. */
  readonly maxQueueMs?: number
  readonly maxInFlightPerReplica?: number
  readonly admission?: Partial<AdmissionLimits>
  readonly limits?: Partial<ExchangeLimits>
  readonly contextWindowOf?: (poolKey: string) => number | undefined
}

const emptyTable: RoutingTable = { callers: new Map(), revisions: new Set(), pools: new Map() }

/**
 * A gateway's state apart from HTTP: the routing table, one view a replica, one waiting room a pool, and the exchanges
 * under way. Needs no controller to serve.
 */
export class Gateway {
  readonly metrics: GatewayMetrics
  readonly #options: GatewayOptions
  readonly #id = `gw-${randomBytes(6).toString('hex')}`
  readonly #views = new Map<string, ReplicaView>()
  readonly #viewsByPool = new Map<string, ReplicaView[]>()
  readonly #pools = new Map<
    string,
    { readonly admission: PoolAdmission; readonly retries: RetryBudget }
  >()
  readonly #exchanges = new Set<Exchange>()
  readonly #salts = new Map<string, string>()
  readonly #limits: ExchangeLimits
  readonly #timers: readonly NodeJS.Timeout[]
  readonly #idleWaiters: (() => void)[] = []
  #table: RoutingTable = emptyTable
  #waiting: readonly {
    readonly caller: string
    readonly name: string
    readonly wake: () => void
  }[] = []
  #draining = false
  #sequence = 0

  constructor(options: GatewayOptions) {
    this.#options = options
    this.#limits = {
      slowReaderMs: 30_000,
      keepAliveMs: 15_000,
      engineSilenceMs: 60_000,
      ...options.limits,
    }
    this.metrics = new GatewayMetrics({
      inFlight: () => this.#exchanges.size,
      queued: () => this.queued,
    })
    this.#timers = [
      setInterval(() => this.#renewLeases(), 100),
      setInterval(() => this.#sweep(), 500),
    ]
    for (const timer of this.#timers) {
      timer.unref()
    }
  }

  get table(): RoutingTable {
    return this.#table
  }

  get draining(): boolean {
    return this.#draining
  }

  get inFlight(): number {
    return this.#exchanges.size
  }

  get queued(): number {
    let queued = 0
    for (const { admission } of this.#pools.values()) {
      queued += admission.queued
    }
    return queued
  }

  nextRequestId(): string {
    this.#sequence += 1
    return `req_${this.#id.slice(3)}${this.#sequence.toString(36).padStart(8, '0')}`
  }

  /** The new table holds for every request that arrives from now on; those under way keep what they resolved to (I1). */
  setTable(table: RoutingTable): void {
    this.#table = table
    for (const { wake } of this.#waiting) {
      wake()
    }
  }

  /** Level-triggered: the whole list of replicas; views of the others are closed. */
  setReplicas(replicas: readonly GatewayReplica[]): void {
    const wanted = new Map(replicas.map((replica) => [replica.name, replica]))
    for (const [name, view] of this.#views) {
      if (wanted.get(name) !== view.replica) {
        this.#views.delete(name)
        void view.close()
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

  /** Revisions that this gateway could send a request to right now, or after a slot: its acknowledgement. */
  routableRevisions(poolKey: string): ReadonlySet<string> {
    const revisions = new Set<string>()
    for (const view of this.#viewsByPool.get(poolKey) ?? []) {
      for (const revision of view.routable()) {
        revisions.add(revision)
      }
    }
    return revisions
  }

  factsOf(poolKey: string): PoolFacts {
    const views = this.#viewsByPool.get(poolKey) ?? []
    return {
      simulated: views.some((view) => view.simulated),
      contextWindow: this.#options.contextWindowOf?.(poolKey),
    }
  }

  views(): readonly ReplicaView[] {
    return [...this.#views.values()]
  }

  /** Takes a request that has passed authentication and reading; answers on `response` in every case. */
  async serve(
    caller: Caller,
    request: InferenceRequest,
    id: string,
    waitMs: number | undefined,
    response: ServerResponse,
  ): Promise<void> {
    const maxQueueMs = this.#options.maxQueueMs ?? 30_000
    const deadline = performance.now() + Math.min(waitMs ?? maxQueueMs, maxQueueMs)
    const target = this.#resolve(caller, request)
    if (target.state === 'Loading') {
      const ready = await this.#untilReady(caller, request, deadline, response)
      if (ready !== undefined) {
        this.#start(caller, request, ready, id, deadline, response)
      }
      return
    }
    this.#start(caller, request, target, id, deadline, response)
  }

  /** Nothing new is taken; resolves when the last exchange has ended, or rejects with the signal. */
  async drain(signal: AbortSignal): Promise<void> {
    this.#draining = true
    if (this.#exchanges.size === 0) {
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
    for (const timer of this.#timers) {
      clearInterval(timer)
    }
    const ended = new LoraplexError('shutting_down', 'The service was stopped.', {
      retryAfterMs: 1000,
    })
    for (const exchange of this.#exchanges) {
      exchange.fail(ended)
    }
    await Promise.all([...this.#views.values()].map((view) => view.close()))
    this.#views.clear()
  }

  #resolve(caller: Caller, request: InferenceRequest): RouteTarget {
    if (this.#draining) {
      throw new LoraplexError(
        'shutting_down',
        'This gateway is being stopped; another one takes the request.',
        { retryAfterMs: 1000 },
      )
    }
    const target = caller.targets.get(request.model)
    if (target === undefined) {
      throw modelNotFound(request.model)
    }
    requireServing(target)
    return target
  }

  /** A name whose first revision is still being proved: waits for the table to say what it is. */
  async #untilReady(
    caller: Caller,
    request: InferenceRequest,
    deadline: number,
    response: ServerResponse,
  ): Promise<RouteTarget | undefined> {
    const key = caller.keyKey
    for (;;) {
      const changed = await this.#tableChange(
        key,
        request.model,
        deadline - performance.now(),
        response,
      )
      if (response.destroyed) {
        return undefined
      }
      const now = [...this.#table.callers.values()].find((one) => one.keyKey === key)
      const target = now === undefined ? undefined : this.#resolve(now, request)
      if (target === undefined) {
        throw modelNotFound(request.model)
      }
      if (target.state !== 'Loading') {
        return target
      }
      if (!changed) {
        throw new LoraplexError(
          'adapter_loading',
          `The adapter '${request.model}' is still being loaded.`,
          { retryAfterMs: 2000 },
        )
      }
    }
  }

  #tableChange(
    caller: string,
    name: string,
    waitMs: number,
    response: ServerResponse,
  ): Promise<boolean> {
    if (this.#waiting.length >= defaultAdmissionLimits.maxQueued) {
      throw new LoraplexError('overloaded', 'Too many requests are waiting for adapters to load.', {
        retryAfterMs: 2000,
      })
    }
    return new Promise((resolve) => {
      const finish = (changed: boolean): void => {
        clearTimeout(timer)
        response.off('close', onClose)
        this.#waiting = this.#waiting.filter((one) => one !== entry)
        resolve(changed)
      }
      const onClose = (): void => finish(false)
      const timer = setTimeout(() => finish(false), Math.max(0, waitMs))
      const entry = { caller, name, wake: () => finish(true) }
      this.#waiting = [...this.#waiting, entry]
      response.once('close', onClose)
    })
  }

  #start(
    caller: Caller,
    request: InferenceRequest,
    target: RouteTarget,
    id: string,
    deadline: number,
    response: ServerResponse,
  ): void {
    const { admission, retries } = this.#poolOf(target.poolKey)
    retries.noteRequest()
    const exchange = new Exchange(
      {
        id,
        request,
        caller,
        target,
        cacheSalt: this.#saltOf(caller.tenant),
        deadline,
        admission,
        retries,
        limits: this.#limits,
        now: () => performance.now(),
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
    if (this.#exchanges.size === 0) {
      for (const resolve of this.#idleWaiters.splice(0)) {
        resolve()
      }
    }
  }

  #poolOf(poolKey: string): { readonly admission: PoolAdmission; readonly retries: RetryBudget } {
    let pool = this.#pools.get(poolKey)
    if (pool === undefined) {
      const views = (): readonly ReplicaView[] => this.#viewsByPool.get(poolKey) ?? []
      const limits = { ...defaultAdmissionLimits, ...this.#options.admission }
      pool = {
        admission: new PoolAdmission(views, limits, () => performance.now()),
        retries: new RetryBudget(),
      }
      this.#pools.set(poolKey, pool)
    }
    return pool
  }

  #createView(replica: GatewayReplica): ReplicaView {
    return new ReplicaView(replica, {
      gateway: this.#id,
      maxInFlight: this.#options.maxInFlightPerReplica ?? 256,
      now: () => performance.now(),
      onChange: () => this.#pools.get(replica.poolKey)?.admission.pump(),
    })
  }

  /** I7: equal prompts of two tenants never share KV blocks. */
  #saltOf(tenant: string): string {
    let salt = this.#salts.get(tenant)
    if (salt === undefined) {
      salt = createHmac('sha256', this.#options.saltSecret).update(tenant).digest('base64url')
      this.#salts.set(tenant, salt)
    }
    return salt
  }

  #renewLeases(): void {
    for (const view of this.#views.values()) {
      view.renewLease()
    }
  }

  #sweep(): void {
    const now = performance.now()
    for (const exchange of this.#exchanges) {
      exchange.sweep(now)
    }
    for (const { admission } of this.#pools.values()) {
      admission.sweep()
    }
  }
}

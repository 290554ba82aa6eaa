import type {
  DesiredAnswer,
  DesiredRequest,
  EnsureAnswer,
  HelloMessage,
  LeaseAnswer,
  LeaseRequest,
  LoadMessage,
  StateMessage,
} from '../api/agent-protocol.ts'
import type { EngineMetrics } from '../engine/types.ts'
import { Actions } from './actions.ts'
import { AdapterLedger } from './adapter-ledger.ts'
import { BaseSentinel } from './base-sentinel.ts'
import { BaseVoice } from './base-voice.ts'
import { systemClock, type Clock } from './clock.ts'
import { DurationEstimate } from './duration-estimate.ts'
import { estimateLoadMs } from './estimate-load.ts'
import { EngineIdle } from './engine-idle.ts'
import { isNextOrder } from './is-next-order.ts'
import { EngineLink, type EngineProcess } from './engine-link.ts'
import {
  doubtWords,
  restartWords,
  settingsOf,
  type Agent,
  type AgentOptions,
  type AgentSettings,
  type AgentSnapshot,
} from './options.ts'
import { ResidencyLoop } from './residency-loop.ts'
import { gatewayTerms, SlotDesk } from './slot-desk.ts'
import { StateFeed } from './state-feed.ts'
import { Stocker } from './stocker.ts'

/** One replica's residency: the only writer of what is loaded on its engine, and the owner of its slots. */
export function createAgent(options: AgentOptions): Agent {
  return new EngineAgent(options)
}

class EngineAgent implements Agent {
  readonly replica: string
  readonly #options: AgentOptions
  readonly #settings: AgentSettings
  readonly #clock: Clock
  readonly #ledger: AdapterLedger
  readonly #sentinel: BaseSentinel
  readonly #desk: SlotDesk
  readonly #feed: StateFeed
  readonly #link: EngineLink
  readonly #loop: ResidencyLoop
  readonly #stocker: Stocker
  readonly #idle: EngineIdle
  readonly #closing = new AbortController()
  readonly #starts = new DurationEstimate(30_000)
  #desired = { term: -1, sequence: -1 }
  #detail = 'The agent has not started.'
  #silence: string | undefined
  /** When the process did not answer a call of ours; until it gives metrics again. */
  #suspectedAtMs: number | undefined
  #draining = false
  #restarting: string | undefined
  /** Nobody restarts this one for us. */
  #unrestartable: EngineProcess | undefined
  #lastIdentity = ''
  #downSinceMs: number
  #metrics: EngineMetrics | undefined
  #muted = false

  constructor(options: AgentOptions) {
    this.replica = options.replica
    this.#options = options
    this.#settings = settingsOf(options)
    this.#clock = options.clock ?? systemClock
    this.#downSinceMs = this.#clock.now()
    this.#idle = new EngineIdle(this.#clock)
    this.#feed = this.#createFeed()
    this.#ledger = this.#createLedger()
    this.#desk = new SlotDesk({
      settings: { total: options.maxLoras, ...this.#settings.slots },
      clock: this.#clock,
      isRoutable: (revision) => this.#ledger.isRoutable(revision),
      onStale: (gateways) => this.#feed.slots(gateways),
    })
    this.#sentinel = new BaseSentinel({
      servedModelName: options.engine.servedModelName,
      clock: this.#clock,
      ...this.#settings,
    })
    this.#link = this.#createLink()
    this.#stocker = new Stocker({
      ledger: this.#ledger,
      adapters: options.adapters,
      clock: this.#clock,
      logger: options.logger,
      ...this.#settings.times,
      onArrived: () => this.#loop.wake(),
    })
    this.#loop = this.#createLoop()
  }

  start(): void {
    this.#link.start()
    this.#loop.start()
  }

  async close(): Promise<void> {
    this.#closing.abort()
    this.#desk.setOpen(false)
    await this.#link.close()
    await this.#loop.close()
    await this.#stocker.close()
    this.#feed.close()
  }

  setDesired(request: DesiredRequest): Promise<DesiredAnswer> {
    const { term, sequence } = request
    const accepted = isNextOrder(this.#desired, request)
    if (accepted) {
      this.#desired = { term, sequence }
      if (this.#ledger.setCatalogue(request)) {
        this.#loop.relist()
      }
      this.#stocker.look()
      this.#loop.wake()
    }
    return Promise.resolve({ accepted, ...this.#desired })
  }

  ensure(revision: string): Promise<EnsureAnswer> {
    if (this.#ledger.get(revision)?.want === undefined) {
      return Promise.resolve({ state: 'Unknown' })
    }
    this.#ledger.use(revision, false)
    this.#loop.wake()
    const residency = this.#ledger.residency(revision)
    if (residency.state === 'Routable') {
      return Promise.resolve(residency)
    }
    if (
      residency.state === 'Failed' &&
      (residency.permanent || this.#ledger.get(revision)?.noRoom === true)
    ) {
      const { reason, message } = residency
      return Promise.resolve({ state: 'Failed', reason, message })
    }
    return Promise.resolve({ state: 'Loading', estimateMs: Math.ceil(this.#estimateMs(revision)) })
  }

  lease(request: LeaseRequest): Promise<LeaseAnswer> {
    let becameWanted = false
    for (const revision of request.wanted) {
      becameWanted = this.#ledger.use(revision, false) || becameWanted
    }
    for (const [revision, inFlight] of Object.entries(request.inFlight)) {
      if (inFlight > 0) {
        this.#ledger.use(revision, true)
      }
    }
    const answer = this.#desk.lease(request)
    if (becameWanted || this.#loop.awaitsRelease) {
      this.#loop.wake()
    }
    this.#feed.loadSoon()
    return Promise.resolve(answer)
  }

  async drain(): Promise<void> {
    this.#draining = true
    this.#readinessChanged()
    const { drainLimitMs, metricsEveryMs } = this.#settings.times
    const startMs = this.#clock.now()
    await this.#desk.whenIdle(drainLimitMs, this.#closing.signal)
    // The base takes no slot: only the engine knows of its requests. One sent before its gateway heard of the drain
    // is seen by a scrape that begins after it.
    await this.#idle.wait(startMs + metricsEveryMs, startMs + drainLimitMs, this.#closing.signal)
  }

  undrain(): void {
    this.#draining = false
    this.#loop.wake()
    this.#readinessChanged()
  }

  watchState(onMessage: (message: StateMessage) => void): () => void {
    return this.#feed.watch(onMessage)
  }

  mayDelete(digest: string): boolean {
    return (
      this.#link.process !== undefined &&
      // Before the first catalogue, nothing is known to be unwanted.
      this.#desired.term >= 0 &&
      this.#ledger.mayDelete(digest, (revision) => this.#desk.isHeld(revision))
    )
  }

  readonly takeSpare = (): string | undefined =>
    this.#ledger.takeSpare((revision) => this.#desk.isHeld(revision))

  snapshot(): AgentSnapshot {
    const { process } = this.#link
    return {
      replica: this.replica,
      engineProcess: process?.identity ?? '',
      engineVersion: process?.version ?? '',
      simulated: process?.simulated ?? false,
      ready: this.#ready,
      detail: this.#words,
      draining: this.#draining,
      residency: this.#ledger.residencies,
      slots: this.#desk.slots,
      hostCache: {
        capacity: this.#options.maxCpuLoras,
        registered: this.#ledger.registered,
        ghosts: this.#ledger.ghosts,
      },
    }
  }

  #createFeed(): StateFeed {
    return new StateFeed({
      clock: this.#clock,
      logger: this.#options.logger,
      hello: () => this.#hello(),
      load: () => this.#loadMessage(),
      active: () => this.#desk.active,
      residencies: () => this.#ledger.residencies,
      onRoutable: (revision) => this.#desk.revisit(revision),
    })
  }

  #createLedger(): AdapterLedger {
    const { maxCpuLoras, engine } = this.#options
    return new AdapterLedger({
      ...this.#settings.times,
      maxCpuLoras,
      adapterRoot: engine.adapterRoot,
      now: () => this.#clock.now(),
      onChange: (revision) => this.#tell(revision),
    })
  }

  #createLink(): EngineLink {
    const { engine, logger } = this.#options
    return new EngineLink({
      engine,
      createClient: (address) => this.#options.createClient(address),
      clock: this.#clock,
      logger,
      metricsEveryMs: this.#settings.times.metricsEveryMs,
      onUp: (process) => this.#up(process),
      onDown: (detail) => this.#down(detail),
      onMetrics: (metrics) => this.#scraped(metrics),
      onSilence: (detail) => {
        this.#silence = detail
        this.#readinessChanged()
      },
    })
  }

  #createLoop(): ResidencyLoop {
    const { adapters, logger } = this.#options
    const [ledger, sentinel, desk] = [this.#ledger, this.#sentinel, this.#desk]
    return new ResidencyLoop({
      clock: this.#clock,
      logger,
      times: this.#settings.times,
      ledger,
      sentinel,
      desk,
      maxLoras: this.#options.maxLoras,
      actions: new Actions({
        ledger,
        sentinel,
        adapters,
        logger,
        canary: this.#settings.canary,
        base: new BaseVoice({
          servedModelName: this.#options.engine.servedModelName,
          clock: this.#clock,
          canary: this.#settings.canary,
        }),
        onEngineGone: () => this.#suspect(),
        onMissing: (revision) => this.#stocker.need(revision),
      }),
      process: () => (this.#suspectedAtMs === undefined ? this.#link.process : undefined),
      mayRestart: (process) => this.#unrestartable !== process,
      canRestart: (process) =>
        this.#unrestartable !== process && this.#options.canRestart?.() === true,
      restart: (process, because) => this.#restart(process, because),
      isDraining: () => this.#draining,
      onStep: () => this.#readinessChanged(),
    })
  }

  #up(process: EngineProcess): void {
    const isNewProcess = process.identity !== this.#lastIdentity
    this.#lastIdentity = process.identity
    this.#silence = undefined
    this.#suspectedAtMs = undefined
    if (isNewProcess) {
      this.#starts.add(this.#clock.now() - this.#downSinceMs)
    }
    this.#ledger.engineArrived(isNewProcess, this.#downSinceMs)
    this.#options.logger.info({ engineProcess: process.identity }, 'the engine is up')
    this.#detail = ''
    this.#feed.startOver()
    this.#readinessChanged()
    this.#loop.relist()
    this.#sentinel.begin(process)
  }

  #down(detail: string): void {
    this.#detail = detail
    if (this.#lastIdentity !== '' && this.#metrics !== undefined) {
      this.#downSinceMs = this.#clock.now()
      this.#options.logger.warn({ detail }, 'the engine is gone')
    }
    this.#metrics = undefined
    this.#idle.note(0)
    // I2: nothing that was proved on that process holds on the next one.
    this.#muted = true
    this.#ledger.void()
    this.#muted = false
    this.#desk.setOpen(false)
    this.#desk.clear()
    this.#feed.startOver()
    this.#readinessChanged()
    this.#loop.wake()
  }

  #scraped(metrics: EngineMetrics): void {
    this.#metrics = metrics
    this.#idle.note(metrics.running + metrics.waiting)
    this.#desk.note(metrics)
    this.#silence = undefined
    // Not at once: what answers metrics but not us would be asked without end.
    const { firstRetryMs } = this.#settings.times
    if (this.#clock.now() - (this.#suspectedAtMs ?? Number.POSITIVE_INFINITY) >= firstRetryMs) {
      this.#suspectedAtMs = undefined
      this.#loop.relist()
    }
    this.#desk.advance()
    this.#readinessChanged()
    this.#feed.load(true)
  }

  #suspect(): void {
    this.#suspectedAtMs = this.#clock.now()
    this.#link.suspect()
  }

  async #restart(process: EngineProcess, because: 'BaseChanged' | 'Ghosts'): Promise<void> {
    const reason = restartWords[because]
    this.#options.logger.warn({ reason }, 'the engine is restarted once its requests have ended')
    this.#restarting = reason
    this.#readinessChanged()
    try {
      const { drainLimitMs, poisonDrainMs } = this.#settings.times
      const limitMs = because === 'Ghosts' ? drainLimitMs : poisonDrainMs
      await this.#desk.whenIdle(limitMs, process.signal)
      if (!process.signal.aborted && !(await this.#options.engine.restart(reason))) {
        this.#unrestartable = process
        this.#options.logger.error({ reason }, 'the engine needs a restart that is not ours to do')
        this.#options.onRestartNeeded?.(reason)
      }
    } finally {
      this.#restarting = undefined
      this.#readinessChanged()
    }
  }

  get #ready(): boolean {
    return (
      this.#link.process !== undefined &&
      this.#silence === undefined &&
      this.#restarting === undefined &&
      !this.#sentinel.changed &&
      !this.#draining
    )
  }

  get #words(): string {
    if (this.#link.process === undefined) {
      return this.#detail
    }
    const doubts = this.#sentinel.changed ? doubtWords.base : undefined
    const ghosts = this.#loop.ghostsHigh ? doubtWords.ghosts : ''
    const drains = this.#draining ? 'The replica drains.' : undefined
    return this.#restarting ?? doubts ?? this.#silence ?? drains ?? ghosts
  }

  #readinessChanged(): void {
    this.#desk.setOpen(this.#ready)
    this.#feed.load(false)
  }

  #tell(revision: string): void {
    if (!this.#muted) {
      this.#feed.residency(revision, this.#ledger.residency(revision))
    }
  }

  #hello(): HelloMessage {
    const { process } = this.#link
    return {
      type: 'hello',
      replica: this.replica,
      engineProcess: process?.identity ?? '',
      engineVersion: process?.version ?? '',
      simulated: process?.simulated ?? false,
      ...gatewayTerms,
      ...(process?.maxModelLen === undefined ? {} : { maxModelLen: process.maxModelLen }),
    }
  }

  #loadMessage(): LoadMessage {
    return {
      type: 'load',
      ready: this.#ready,
      detail: this.#words,
      draining: this.#draining,
      running: this.#metrics?.running ?? 0,
      waiting: this.#metrics?.waiting ?? 0,
      kvCacheUsage: this.#metrics?.kvCacheUsage ?? 0,
      ...this.#desk.load,
    }
  }

  #estimateMs(revision: string): number {
    const nowMs = this.#clock.now()
    const leftMs = Math.max(this.#starts.ms - (nowMs - this.#downSinceMs), 1000)
    const startMs = this.#link.process === undefined ? leftMs : 0
    const { unitMs } = this.#loop
    return estimateLoadMs(this.#ledger.records, revision, { nowMs, startMs, unitMs })
  }
}

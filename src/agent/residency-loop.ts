import { planResidency, type ResidencyAction, type ResidencySnapshot } from '../core/residency.ts'
import type { Actions } from './actions.ts'
import type { AdapterLedger } from './adapter-ledger.ts'
import type { BaseSentinel } from './base-sentinel.ts'
import { Bell } from './bell.ts'
import type { Clock } from './clock.ts'
import { DurationEstimate } from './duration-estimate.ts'
import type { EngineProcess } from './engine-link.ts'
import type { Logger } from './logger.ts'
import type { AgentTimes } from './options.ts'
import type { SlotDesk } from './slot-desk.ts'

export interface ResidencyLoopOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly times: AgentTimes
  readonly ledger: AdapterLedger
  readonly sentinel: BaseSentinel
  readonly actions: Actions
  readonly desk: SlotDesk
  readonly maxLoras: number
  /** The engine as it is now; undefined while it is away, or does not answer. */
  process(): EngineProcess | undefined
  canRestart(process: EngineProcess): boolean
  mayRestart(process: EngineProcess): boolean
  restart(process: EngineProcess, because: 'BaseChanged' | 'Ghosts'): Promise<void>
  isDraining(): boolean
  /** Something changed that readiness depends on. */
  onStep(): void
}

/** Gather, plan, do the one next thing, again: the only writer of what is loaded on this engine. */
export class ResidencyLoop {
  readonly #options: ResidencyLoopOptions
  readonly #bell: Bell
  readonly #load = new DurationEstimate(200)
  readonly #canary = new DurationEstimate(150)
  #running: Promise<void> | undefined
  #closed = false
  #modelsDueAtMs = 0
  #ghostsHigh = false
  #awaitsRelease = false

  constructor(options: ResidencyLoopOptions) {
    this.#options = options
    this.#bell = new Bell(options.clock)
  }

  start(): void {
    this.#running ??= this.#run()
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#bell.ring()
    await this.#running
  }

  wake(): void {
    this.#bell.ring()
  }

  /** The engine's own list has to be read before anything else. */
  relist(): void {
    this.#modelsDueAtMs = 0
    this.#bell.ring()
  }

  /** Ghosts of unloaded adapters take more than a quarter of the host cache. */
  get ghostsHigh(): boolean {
    return this.#ghostsHigh
  }

  /** What cannot be unloaded yet may be so once a slot is given back. */
  get awaitsRelease(): boolean {
    return this.#awaitsRelease
  }

  /** One load and one canary, from what they took here so far. */
  get unitMs(): number {
    return this.#load.ms + this.#canary.ms
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      const process = this.#options.process()
      if (process === undefined) {
        // What it was for went with the engine; whoever drains waits for it.
        this.#options.desk.releaseWork()
        await this.#bell.wait(undefined)
      } else {
        await this.#safeStep(process)
        this.#options.onStep()
      }
    }
  }

  async #safeStep(process: EngineProcess): Promise<void> {
    try {
      await this.#step(process)
    } catch (error) {
      if (!process.signal.aborted) {
        this.#options.logger.error({ err: error }, 'the residency loop failed and goes on')
        await this.#bell.wait(this.#options.times.firstRetryMs)
      }
    }
  }

  async #step(process: EngineProcess): Promise<void> {
    const { clock, times, actions, ledger, logger } = this.#options
    if (this.#modelsDueAtMs <= clock.now()) {
      // Before it is asked: whoever says `relist` meanwhile means it.
      this.#modelsDueAtMs = clock.now() + times.modelsEveryMs
      if (!(await actions.refreshModels(process))) {
        this.#modelsDueAtMs = 0
        await this.#bell.wait(times.firstRetryMs)
        return
      }
    }
    const snapshot = this.#gather(process)
    const plan = planResidency(snapshot)
    ledger.setNoRoom(plan.noRoom)
    this.#awaitsRelease = snapshot.adapters.some((it) => it.held && !it.proved)
    if (plan.ghostsHigh && !this.#ghostsHigh) {
      logger.warn({ ghosts: ledger.ghosts }, 'unloaded adapters fill the host cache of the engine')
    }
    this.#ghostsHigh = plan.ghostsHigh
    await this.#apply(process, plan.action)
  }

  #gather(process: EngineProcess): ResidencySnapshot {
    const { clock, times, ledger, sentinel, desk } = this.#options
    const nowMs = clock.now()
    return {
      nowMs,
      engineReady: true,
      draining: this.#options.isDraining(),
      baseChanged: sentinel.changed && this.#options.mayRestart(process),
      sentinelDue: (sentinel.askDueAtMs ?? Number.POSITIVE_INFINITY) <= nowMs,
      canRestart: this.#options.canRestart(process),
      retiredIdleMs: times.retiredIdleMs,
      hostCache: ledger.hostCache,
      adapters: ledger.views((revision) => desk.isHeld(revision)),
    }
  }

  async #apply(process: EngineProcess, action: ResidencyAction): Promise<void> {
    const { actions, ledger, desk } = this.#options
    switch (action.do) {
      case 'Load':
        return this.#inSlot(process, action.revision, this.#load, () =>
          actions.load(process, action.revision),
        )
      case 'Canary':
        return this.#inSlot(process, action.revision, this.#canary, () =>
          actions.canary(process, action.revision),
        )
      case 'Touch':
        return this.#inSlot(process, action.revision, undefined, () =>
          actions.touch(process, action.revision),
        )
      case 'Retire':
        return ledger.retire(action.revision)
      case 'Unload':
        return actions.unload(process, action.revision, action.because)
      case 'AskBase':
        return actions.askBase(process)
      case 'RestartEngine':
        desk.releaseWork()
        return this.#options.restart(process, action.because)
      case 'Wait':
        desk.releaseWork()
        return this.#wait(action.untilMs)
      default:
        return action satisfies never
    }
  }

  /** The slot stays ours from one adapter to the next; the only one there is goes back in between. */
  async #inSlot(
    process: EngineProcess,
    revision: string,
    estimate: DurationEstimate | undefined,
    work: () => Promise<void>,
  ): Promise<void> {
    const { clock, desk, ledger, times, maxLoras } = this.#options
    if (!(await desk.claimWork(times.slotWaitMs, process.signal))) {
      if (!process.signal.aborted) {
        const message = 'Every slot of the engine is taken by requests that do not end.'
        ledger.failed(revision, { reason: 'NoSlot', message, permanent: false })
      }
      return
    }
    if (this.#options.isDraining()) {
      return
    }
    const startMs = clock.now()
    try {
      await work()
    } catch (error) {
      if (!process.signal.aborted) {
        const message = 'The agent failed while it loaded or tried the adapter.'
        ledger.failed(revision, { reason: 'AgentError', message, permanent: false })
      }
      throw error
    } finally {
      if (maxLoras === 1 || process.signal.aborted) {
        desk.releaseWork()
      }
    }
    estimate?.add(clock.now() - startMs)
  }

  async #wait(untilMs: number | undefined): Promise<void> {
    const { clock, sentinel } = this.#options
    const nextMs = Math.min(
      untilMs ?? Number.POSITIVE_INFINITY,
      sentinel.askDueAtMs ?? Number.POSITIVE_INFINITY,
      this.#modelsDueAtMs,
    )
    await this.#bell.wait(Math.max(nextMs - clock.now(), 0))
  }
}

import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { EngineProcess } from './engine-process.ts'
import type { EngineCommand } from './engine-process.ts'
import { createEngineClient } from './http-client.ts'
import { LogFile } from './log-file.ts'
import { enginesFolder, removePidFile, writePidFile } from './pid-file.ts'
import { probe } from './probe.ts'
import type { ProbeResult } from './probe.ts'
import { failedAfter, healthyAfterMs, restartDelayMs } from './restart-policy.ts'
import { StateCell } from './state-cell.ts'
import type { Engine, EngineAddress, EngineClient, EngineState } from './types.ts'

export interface ProcessEngineOptions {
  /** Does as a file name: pid file and log are called so. */
  readonly name: string
  readonly servedModelName: string
  /** A port of 127.0.0.1 that stays the engine's over all restarts; see `freePort`. */
  readonly port: number
  readonly apiKey: string | undefined
  /** Holds `engines/NAME.pid` and `engines/NAME.log`. */
  readonly stateFolder: string
  /** Called for each start. */
  readonly command: () => EngineCommand
  /** From spawn to ready; past it the process is ended and started again. */
  readonly startupTimeoutMs: number
  /** How long a restart lets running requests finish. */
  readonly restartGraceMs: number
  /** For tests; default: `restartDelayMs`. */
  readonly delayMs?: (failures: number) => number
}

/** An engine that is our child: started, watched, started again. Orphans of an earlier life: `reapOrphans` first. */
export function createProcessEngine(options: ProcessEngineOptions): Engine {
  return new ProcessEngine(options)
}

const probeEveryMs = 100

/** `process_start_time_seconds` is counted in clock ticks from a boot time that is itself rounded. */
const clockSlackSeconds = 5

type LifeEnd =
  | { readonly how: 'Exited'; readonly words: string; readonly readyMs: number }
  /** Starting it again would find the same version. */
  | { readonly how: 'TooOld'; readonly words: string }

class ProcessEngine implements Engine {
  readonly name: string
  readonly address: EngineAddress
  readonly servedModelName: string
  readonly adapterRoot = undefined
  readonly #options: ProcessEngineOptions
  readonly #cell = new StateCell()
  readonly #log: LogFile
  #life: EngineProcess | undefined
  /** Aborted by stop(); undefined while nothing is supervised. */
  #stopping: AbortController | undefined
  #supervision: Promise<void> = Promise.resolve()
  /** Ends a back-off early. */
  #wake = new AbortController()
  #isRestartAsked = false
  #failures = 0

  constructor(options: ProcessEngineOptions) {
    this.name = options.name
    this.address = { url: `http://127.0.0.1:${options.port}`, apiKey: options.apiKey }
    this.servedModelName = options.servedModelName
    this.#options = options
    this.#log = new LogFile(join(enginesFolder(options.stateFolder), `${options.name}.log`))
  }

  get state(): EngineState {
    return this.#cell.state
  }

  watch(onState: (state: EngineState) => void): () => void {
    return this.#cell.watch(onState)
  }

  start(): void {
    if (this.#stopping !== undefined) {
      return
    }
    const stopping = new AbortController()
    this.#stopping = stopping
    this.#supervision = this.#supervise(stopping.signal)
  }

  async restart(reason: string): Promise<boolean> {
    if (this.#stopping === undefined) {
      this.start() // stopped, or failed for good: this is the other try
      return true
    }
    if (this.#stopping.signal.aborted) {
      return false
    }
    this.#isRestartAsked = true
    this.#failures = 0
    this.#cell.set({ state: 'Restarting', detail: reason, retryInMs: 0 })
    this.#wake.abort()
    await this.#life?.stop(this.#options.restartGraceMs)
    return true
  }

  async stop(graceMs: number): Promise<void> {
    this.#stopping?.abort()
    this.#wake.abort()
    await this.#life?.stop(graceMs)
    await this.#supervision
    this.#log.close()
    this.#cell.set({ state: 'Stopped' })
  }

  /** One life after the other until stop(), or until it is clear that no other life would do better. */
  async #supervise(stopping: AbortSignal): Promise<void> {
    try {
      while (!stopping.aborted) {
        const end = await this.#live(stopping)
        if (stopping.aborted) {
          return
        }
        if (end.how === 'TooOld') {
          this.#cell.set({ state: 'Failed', reason: 'EngineTooOld', message: end.words })
          return
        }
        await this.#backOff(end.words, end.readyMs)
      }
    } finally {
      this.#stopping = undefined
    }
  }

  async #live(stopping: AbortSignal): Promise<LifeEnd> {
    const { name, stateFolder } = this.#options
    this.#isRestartAsked = false
    this.#log.clearTail()
    this.#starting('starting')
    const life = new EngineProcess(this.#options.command(), (chunk) => this.#log.write(chunk))
    this.#life = life
    if (life.pid !== undefined) {
      writePidFile(stateFolder, name, life.pid)
    }
    const over = new AbortController()
    const ready = this.#becomeReady(life, AbortSignal.any([over.signal, stopping]))
    const words = await life.exited
    over.abort()
    const outcome = await ready
    await life.stop(0)
    removePidFile(stateFolder, name)
    this.#life = undefined
    return outcome.how === 'TooOld'
      ? outcome
      : {
          how: 'Exited',
          words: outcome.words ?? `It ${words}.`,
          readyMs: outcome.since === undefined ? 0 : performance.now() - outcome.since,
        }
  }

  /** Asks until the engine answers; ends the process if it is the wrong one or takes too long. Never rejects. */
  async #becomeReady(life: EngineProcess, signal: AbortSignal): Promise<Readiness> {
    const client = createEngineClient(this.address)
    const spawnedAt = Date.now() / 1000
    const deadline = performance.now() + this.#options.startupTimeoutMs
    try {
      for (;;) {
        const found = await this.#probe(client, spawnedAt, signal)
        if (found.found === 'Engine') {
          const { version, simulated } = found
          this.#cell.set({ state: 'Ready', version, simulated })
          return { how: 'Ready', since: performance.now(), words: undefined }
        }
        if (found.found === 'TooOld') {
          void life.stop(0)
          return { how: 'TooOld', words: found.message }
        }
        if (performance.now() > deadline) {
          void life.stop(0)
          const seconds = Math.round(this.#options.startupTimeoutMs / 1000)
          const words = `It was not ready within ${seconds} s. ${found.message}`
          return { how: 'Ready', since: undefined, words }
        }
        this.#starting(found.found === 'Stranger' ? found.message : 'loading the model')
        await delay(probeEveryMs, undefined, { signal })
      }
    } catch (error) {
      if (!signal.aborted) {
        throw error
      }
      return { how: 'Ready', since: undefined, words: undefined }
    } finally {
      await client.close()
    }
  }

  /** A process that is older than ours has taken its port: the same words from it prove nothing. */
  async #probe(client: EngineClient, spawnedAt: number, signal: AbortSignal): Promise<ProbeResult> {
    const found = await probe(client, this.servedModelName, signal)
    const isOlder =
      found.found === 'Engine' &&
      (found.startTimeSeconds ?? spawnedAt) < spawnedAt - clockSlackSeconds
    return isOlder
      ? { found: 'Stranger', message: 'Another engine, started earlier, answers on its port.' }
      : found
  }

  /** An engine that counts as failed stays so until it is ready again. */
  #starting(detail: string): void {
    if (this.state.state !== 'Failed') {
      this.#cell.set({ state: 'Starting', detail })
    }
  }

  async #backOff(words: string, readyMs: number): Promise<void> {
    if (this.#isRestartAsked) {
      return
    }
    this.#failures = readyMs >= healthyAfterMs ? 1 : this.#failures + 1
    const retryInMs = (this.#options.delayMs ?? restartDelayMs)(this.#failures)
    if (this.#failures >= failedAfter) {
      const tail = this.#log.tail(12).join('\n')
      const message = `${words} ${this.#failures} starts in a row failed; the next is in ${Math.round(retryInMs / 1000)} s. Its log: ${this.#log.path}\n${tail}`
      this.#cell.set({ state: 'Failed', reason: 'EngineCrashLoop', message })
    } else {
      this.#cell.set({ state: 'Restarting', detail: words, retryInMs })
    }
    this.#wake = new AbortController()
    const { signal } = this.#wake
    if (this.#stopping?.signal.aborted === false) {
      await delay(retryInMs, undefined, { signal }).catch(() => undefined)
    }
  }
}

type Readiness =
  | {
      readonly how: 'Ready'
      readonly since: number | undefined
      readonly words: string | undefined
    }
  | { readonly how: 'TooOld'; readonly words: string }

import { engineNameOf, revisionOfEngineName } from '../api/names.ts'
import type { UnloadCause } from '../core/residency.ts'
import type { LoadOutcome } from '../engine/types.ts'
import type { AdapterLedger } from './adapter-ledger.ts'
import { askEngine } from './ask-engine.ts'
import type { BaseSentinel } from './base-sentinel.ts'
import type { BaseVoice } from './base-voice.ts'
import type { EngineProcess } from './engine-link.ts'
import type { Logger } from './logger.ts'
import type { AdapterShelf, CanarySettings } from './options.ts'
import { runCanary, type CanaryResult } from './run-canary.ts'

export interface ActionsOptions {
  readonly ledger: AdapterLedger
  readonly base: BaseVoice
  readonly sentinel: BaseSentinel
  readonly adapters: AdapterShelf
  readonly canary: CanarySettings
  readonly logger: Logger
  /** The engine did not answer: whether it is still there has to be found out. */
  onEngineGone(): void
  /** Its files are not here. True: somebody brings them. */
  onMissing(revision: string): boolean
}

/** What the plan can ask for, done on one engine process. An outcome that comes after the process is gone counts for nothing. */
export class Actions {
  readonly #options: ActionsOptions

  constructor(options: ActionsOptions) {
    this.#options = options
  }

  async load(process: EngineProcess, revision: string): Promise<void> {
    const { ledger, adapters } = this.#options
    const digest = ledger.get(revision)?.digest
    const stored = digest === undefined ? undefined : await adapters.get(digest)
    ledger.stored(revision, stored)
    if (stored === undefined) {
      if (this.#options.onMissing(revision)) {
        return
      }
      const message = 'Its files are not on this machine (yet).'
      ledger.failed(revision, { reason: 'NotOnDisk', message, permanent: false })
      return
    }
    const path = ledger.enginePathOf(stored)
    ledger.loading(revision)
    const outcome = await process.client.load(engineNameOf(revision), path, process.signal)
    if (process.signal.aborted) {
      return
    }
    await this.#loaded(process, revision, path, outcome)
  }

  async canary(process: EngineProcess, revision: string): Promise<void> {
    const { base, sentinel, canary } = this.#options
    await sentinel.begun(process)
    const result = await runCanary(process, engineNameOf(revision), base, canary)
    if (process.signal.aborted) {
      return
    }
    await this.#judged(process, revision, result)
  }

  /** One token: the engine reads the adapter again, and it is the youngest. */
  async touch(process: EngineProcess, revision: string): Promise<void> {
    const settings = { prompts: ['.'], logprobs: 1 }
    const asked = await askEngine(process, engineNameOf(revision), 1, settings)
    if (process.signal.aborted) {
      return
    }
    if (asked.outcome === 'EngineGone') {
      this.#options.onEngineGone()
    } else if (asked.outcome === 'Failed' && asked.status === 404) {
      await this.refreshModels(process)
    } else {
      this.#options.ledger.touched(revision)
    }
  }

  async unload(process: EngineProcess, revision: string, because: UnloadCause): Promise<void> {
    const outcome = await process.client.unload(engineNameOf(revision), process.signal)
    if (process.signal.aborted) {
      return
    }
    if (outcome.outcome === 'EngineGone') {
      this.#options.onEngineGone()
      return
    }
    this.#options.logger.info({ revision, because }, 'adapter unloaded')
    this.#options.ledger.unloaded(revision)
  }

  async askBase(process: EngineProcess): Promise<void> {
    const { sentinel, logger } = this.#options
    const said = await sentinel.check(process)
    if (said.outcome === 'EngineGone' && !process.signal.aborted) {
      this.#options.onEngineGone()
    }
    if (sentinel.changed) {
      logger.error({}, 'the base model no longer answers as it did when its engine started')
    }
  }

  /** Compares what the engine lists with what we believe: `/health` tells nothing about adapters (DESIGN 2.3). */
  async refreshModels(process: EngineProcess): Promise<boolean> {
    const { ledger, adapters, logger } = this.#options
    try {
      const models = await process.client.models(process.signal)
      for (const model of models) {
        const record = ledger.get(revisionOfEngineName(model.id) ?? '')
        if (record?.digest !== undefined && record.stored === undefined) {
          ledger.stored(record.revision, await adapters.get(record.digest))
        }
      }
      if (process.signal.aborted) {
        return false
      }
      const { vanished } = ledger.reconcile(models)
      if (vanished.length > 0) {
        logger.warn({ revisions: vanished }, 'adapters vanished from the engine')
      }
      return true
    } catch (error) {
      if (!process.signal.aborted) {
        logger.warn({ err: error }, 'the engine did not list its models')
        this.#options.onEngineGone()
      }
      return false
    }
  }

  async #loaded(
    process: EngineProcess,
    revision: string,
    path: string,
    outcome: LoadOutcome,
  ): Promise<void> {
    const { ledger, logger } = this.#options
    switch (outcome.outcome) {
      case 'Loaded':
        logger.info({ revision }, 'adapter loaded')
        ledger.loaded(revision, path)
        return
      case 'AlreadyLoaded':
        await this.#alreadyLoaded(process, revision)
        return
      case 'Refused':
      case 'Transient': {
        const { reason, message } = outcome
        const permanent = outcome.outcome === 'Refused'
        logger.warn({ revision, reason, detail: message, permanent }, 'adapter not loaded')
        ledger.failed(revision, { reason, message, permanent })
        // A load that timed out may have gone through all the same.
        await this.refreshModels(process)
        return
      }
      case 'EngineGone':
        ledger.failed(revision, {
          reason: 'EngineGone',
          message: outcome.message,
          permanent: false,
        })
        this.#options.onEngineGone()
        return
      default:
        outcome satisfies never
    }
  }

  /** Somebody loaded it before us. From where, only the list tells; a wrong path makes it `Foreign`. */
  async #alreadyLoaded(process: EngineProcess, revision: string): Promise<void> {
    const { ledger } = this.#options
    const refreshed = await this.refreshModels(process)
    if (refreshed && ledger.get(revision)?.registration === undefined) {
      const message = 'The engine says it is loaded but does not list it.'
      ledger.failed(revision, { reason: 'LoadUnclear', message, permanent: false })
    }
  }

  async #judged(process: EngineProcess, revision: string, result: CanaryResult): Promise<void> {
    const { ledger, sentinel, logger } = this.#options
    const { verdict } = result
    if (verdict !== 'Effective') {
      logger.warn({ revision, ...result }, 'canary not passed')
    }
    switch (verdict) {
      case 'Effective':
        logger.info({ revision, difference: result.difference }, 'adapter routable')
        ledger.proved(revision)
        return
      case 'NoEffect':
        ledger.failed(revision, { reason: 'NoEffect', message: noEffect, permanent: true })
        return
      case 'NonFinite':
        ledger.failed(revision, { reason: 'NonFiniteAnswer', message: nonFinite, permanent: true })
        sentinel.suspect()
        return
      case 'BaseNonFinite':
        ledger.failed(revision, { reason: 'CanaryFailed', message: baseBroken, permanent: false })
        sentinel.suspect()
        return
      case 'Inconclusive':
        ledger.failed(revision, { reason: 'CanaryFailed', message: noLogprobs, permanent: false })
        return
      case 'Failed':
        ledger.failed(revision, {
          reason: 'CanaryFailed',
          message: `The engine refused the canary request (${result.status}).`,
          permanent: false,
        })
        if (result.status === 404) {
          await this.refreshModels(process)
        }
        return
      case 'EngineGone':
        this.#options.onEngineGone()
        return
      default:
        result satisfies never
    }
  }
}

const noEffect =
  'The engine accepted it, but it answers exactly as the base model: its weights are zero, or its module names belong to another model class. Train it on this base, or rename its modules.'
const nonFinite =
  'The engine accepted it, but its answers hold NaN or infinity. Its weights overflow in the precision this pool serves; check the training run and its scale.'
const baseBroken = 'The base model itself gives no finite answer, so nothing can be proved now.'
const noLogprobs = 'The engine gave no log probabilities to compare.'

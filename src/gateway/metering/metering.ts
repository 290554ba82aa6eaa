import { dirname, join } from 'node:path'
import { GuardedLedger, type GuardOptions } from '../../ledger/guarded-ledger.ts'
import { openLedger } from '../../ledger/open-ledger.ts'
import type { Ledger } from '../../ledger/types.ts'
import { openUsage } from '../../ledger/usage/open-usage.ts'
import { LapsedBills, type LapsedBillsOptions } from './lapsed-bills.ts'
import type { UsageStore } from '../../ledger/usage/types.ts'
import { UsageWriter } from '../../ledger/usage/usage-writer.ts'
import { Meter, type MeterOptions } from './meter.ts'
import type { StoreHealth } from './store-health.ts'

export interface MeteringOptions {
  /** Where limits are kept: see `openLedger`. */
  readonly ledger: string
  /** Where bills are kept: see `openUsage`. Default: beside the ledger. */
  readonly usage: string | undefined
  readonly userSecret: Buffer
  readonly currency?: string
  /** Gateways that share a limit while a shared ledger is away, or where each counts in its own memory. */
  readonly gateways: number
  /** What holds while a shared ledger is down or slow. */
  readonly guard?: Partial<Pick<GuardOptions, 'whenAway' | 'timeoutMs'>>
  readonly holds?: MeterOptions['holds']
  readonly lapsed?: Partial<Pick<LapsedBillsOptions, 'ageMs' | 'everyMs'>>
  readonly log: (message: string) => void
}

/** A meter with the stores behind it, which live as long as the process. */
export class Metering {
  readonly meter: Meter
  readonly usage: UsageStore
  readonly #ledger: Ledger
  readonly #writer: UsageWriter
  readonly #lapsed: LapsedBills
  readonly #log: (message: string) => void

  private constructor(
    ledger: Ledger,
    usage: UsageStore,
    { userSecret, currency = 'usd', holds = {}, lapsed, log, ...options }: MeteringOptions,
  ) {
    this.#ledger = ledger
    this.#log = log
    this.usage = usage
    this.#writer = new UsageWriter(usage, { log })
    this.meter = new Meter({
      ledger,
      usage,
      record: (record) => this.#writer.add(record),
      userSecret,
      holds,
      gateways: options.ledger === inMemory ? options.gateways : 1,
      currency,
      log,
      health: () => healthOf(ledger, this.#writer),
    })
    this.#lapsed = new LapsedBills(ledger, usage, { ...lapsed, log })
    this.#lapsed.start()
  }

  /** @throws UserError for a store that is none, or must not keep budgets. */
  static async open(options: MeteringOptions): Promise<Metering> {
    const { ledger: url, gateways, guard = {}, log } = options
    if (url === inMemory) {
      log(memoryWords(gateways))
    }
    const ledger = await openLedger({ url, forBudgets: true, gateways: () => gateways, guard, log })
    try {
      return new Metering(ledger, await openUsage(options.usage ?? usageBeside(url), log), options)
    } catch (error) {
      await ledger.close()
      throw error
    }
  }

  /** After the gateway: what its last requests used is written down. */
  async close(): Promise<void> {
    await this.#lapsed.close()
    const lost = await this.#writer.close()
    if (lost > 0) {
      this.#log(`${lost} usage records could not be kept`)
    }
    await this.usage.close()
    await this.#ledger.close()
  }
}

function healthOf(ledger: Ledger, { waiting, lost }: UsageWriter): StoreHealth {
  const guarded = ledger instanceof GuardedLedger ? ledger : undefined
  return {
    ledgerIsAway: guarded?.isAway ?? false,
    settlementsWaiting: guarded?.late.waiting ?? 0,
    settlementsLost: guarded?.late.forgotten ?? 0,
    recordsWaiting: waiting,
    recordsLost: lost,
  }
}

const inMemory = 'memory:'

function memoryWords(gateways: number): string {
  const share =
    gateways === 1 ? '' : `Each of ${gateways} gateways grants its share of a limit by itself. `
  return `Limits and budgets are counted in memory: a restart forgets what is used. ${share}For more, set --ledger.`
}

/** Redis keeps no bills. */
function usageBeside(ledger: string): string {
  if (ledger.startsWith('sqlite:')) {
    return `sqlite:${join(dirname(ledger.slice('sqlite:'.length)), 'usage.db')}`
  }
  return /^rediss?:/.test(ledger) ? 'memory:' : ledger
}

import { randomUUID } from 'node:crypto'
import { BugError, UserError } from '../../errors.ts'
import { checkHold, checkRenewal, checkUsed } from '../check-hold.ts'
import { isBudget } from '../is-budget.ts'
import { LedgerError } from '../ledger-error.ts'
import { refusal } from '../refusal.ts'
import type {
  Counter,
  Granted,
  Hold,
  LapsedHold,
  Ledger,
  Line,
  Refused,
  Renewal,
  RenewOutcome,
  Settlement,
  SettleOutcome,
} from '../types.ts'
import { durabilityProblem } from './durability.ts'
import { RedisConnection, type RedisOptions, type Reply } from './redis-connection.ts'

export interface RedisLedgerOptions extends RedisOptions {
  /** Budgets are kept here: a server that may lose them is refused at once. */
  readonly forBudgets: boolean
  /** Tests bring their own; otherwise the server's clock counts. */
  readonly now?: () => number
}

/** What is known to be used, for a store that lost it. */
export interface KnownCounter {
  readonly key: string
  readonly committed: number
  readonly endsAtMs: number
}

/**
 * Shared by gateways, on the server's clock. A server that comes back empty has no epoch: everything is refused as `Closed`
 * until somebody calls `rebuild`.
 */
export class RedisLedger implements Ledger {
  readonly #redis: RedisConnection
  readonly #now: (() => number) | undefined
  /** Of the server that is connected now: why it cannot keep budgets. */
  #problem: Promise<string | undefined> = Promise.resolve(undefined)

  private constructor(redis: RedisConnection, now: (() => number) | undefined) {
    this.#redis = redis
    this.#now = now
    redis.onReady(() => {
      this.#problem = durabilityProblem(redis)
    })
  }

  /** @throws LedgerError when there is no server; UserError when it may lose budgets. */
  static async open(options: RedisLedgerOptions): Promise<RedisLedger> {
    const ledger = new RedisLedger(await RedisConnection.open(options), options.now)
    const problem = options.forBudgets ? await ledger.#problem : undefined
    if (problem !== undefined) {
      await ledger.close()
      throw new UserError(problem)
    }
    return ledger
  }

  /**
   * Opens an empty store, with what is known of its counters (from usage records). Requests under way are not in them: call
   * it when those have ended. False when it is open already; then nothing changes.
   */
  async rebuild(counters: readonly KnownCounter[] = []): Promise<boolean> {
    const rows = counters.flatMap(({ key, committed, endsAtMs }) =>
      lineArguments({ key, kind: 'Flow', amount: committed, endsAtMs }),
    )
    const [word] = await this.#redis.run('rebuild', this.#now?.(), [randomUUID(), ...rows])
    return word === 'Rebuilt'
  }

  async try(hold: Hold): Promise<Granted | Refused> {
    checkHold(hold)
    await this.#checkBudgets(hold.lines)
    const lines = hold.lines.flatMap(lineArguments)
    const head = [hold.id, String(hold.expiresInMs), hold.note ?? '']
    const reply = await this.#run('try', [...head, ...lines])
    switch (reply[0]) {
      case 'Granted':
        return { outcome: 'Granted', counters: countersIn(reply) }
      case 'Refused':
        return refusal(hold.lines, countersIn(reply))
      case 'Skew':
        throw new LedgerError('ClockSkew', `The window of ${reply[1]} ended long ago.`)
      default:
        throw new BugError(`The hold ${hold.id} ended already; an attempt has an id of its own.`)
    }
  }

  async renew(holdId: string, renewal: Renewal): Promise<RenewOutcome> {
    checkRenewal(renewal)
    const { expiresInMs, used, note = '' } = renewal
    const reply = await this.#run('renew', [holdId, String(expiresInMs), note, ...used.map(String)])
    return reply[0] as RenewOutcome
  }

  async settle(holdId: string, { used, exactness }: Settlement): Promise<SettleOutcome> {
    checkUsed(used)
    const reply = await this.#run('settle', [holdId, exactness, ...used.map(String)])
    return reply[0] as SettleOutcome
  }

  async lapsed(ageMs: number): Promise<readonly LapsedHold[]> {
    const [, ...told] = await this.#run('lapsed', [String(ageMs)])
    return told.map((packed) => JSON.parse(packed) as LapsedHold)
  }

  async read(keys: readonly string[]): Promise<readonly Counter[]> {
    return countersIn(await this.#run('read', keys))
  }

  close(): Promise<void> {
    return this.#redis.close()
  }

  async #run(op: string, args: readonly string[]): Promise<Reply> {
    const reply = await this.#redis.run(op, this.#now?.(), args)
    if (reply[0] === 'Closed') {
      throw new LedgerError(
        'Closed',
        'Redis lost its counters, or never had any. `loraplex ledger rebuild` opens it.',
      )
    }
    return reply
  }

  async #checkBudgets(lines: readonly Line[]): Promise<void> {
    if (lines.some(isBudget)) {
      const problem = await this.#problem
      if (problem !== undefined) {
        throw new LedgerError('Closed', problem)
      }
    }
  }
}

function lineArguments(line: Omit<Line, 'class'>): readonly string[] {
  const cap = line.cap === undefined ? '' : String(line.cap)
  return [line.key, line.kind, String(line.amount), cap, String(line.endsAtMs)]
}

function countersIn([, ...numbers]: Reply): readonly Counter[] {
  return Array.from({ length: numbers.length / 2 }, (_, index) => ({
    committed: Number(numbers[2 * index]),
    held: Number(numbers[2 * index + 1]),
  }))
}

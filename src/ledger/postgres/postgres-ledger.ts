import { BugError, UserError } from '../../errors.ts'
import { checkHold, checkRenewal, checkUsed } from '../check-hold.ts'
import { LedgerError } from '../ledger-error.ts'
import { refusal } from '../refusal.ts'
import { retention } from '../retention.ts'
import type {
  Counter,
  Granted,
  Hold,
  LapsedHold,
  Ledger,
  Refused,
  Renewal,
  RenewOutcome,
  Settlement,
  SettleOutcome,
} from '../types.ts'
import { ledgerSql } from './ledger-sql.ts'
import { PostgresConnection, type PostgresOptions } from './postgres-connection.ts'

export interface PostgresLedgerOptions extends PostgresOptions {
  /** Budgets are kept here: a server that may lose them is refused at once. */
  readonly forBudgets: boolean
  /** Tests bring their own; otherwise the server's clock counts. */
  readonly now?: () => number
}

interface CounterRow {
  readonly outcome: string
  /** Postgres answers whole numbers of 64 bits as text. */
  readonly committed: readonly string[] | null
  readonly held: readonly string[] | null
}

interface LapsedRow {
  readonly id: string
  readonly note: string
  readonly noted: readonly string[]
  readonly expires_at_ms: string
}

const { version, text } = ledgerSql

/** Fewer than this went: there was no more. */
const tidiedAtOnce = 5000

/** Shared by gateways, on the server's clock: one call is one function in one transaction. */
export class PostgresLedger implements Ledger {
  readonly #postgres: PostgresConnection
  readonly #now: (() => number) | undefined
  readonly #tidying: NodeJS.Timeout
  #isClosed = false

  private constructor(postgres: PostgresConnection, options: PostgresLedgerOptions) {
    this.#postgres = postgres
    this.#now = options.now
    this.#tidying = setInterval(() => {
      this.tidy().catch((error: unknown) => options.log?.(String(error)))
    }, retention.counterMs).unref()
  }

  /** @throws LedgerError when there is no server; UserError when it may lose budgets, or tables cannot be made. */
  static async open(options: PostgresLedgerOptions): Promise<PostgresLedger> {
    const isThere = (schema: string) => `to_regproc('${schema}.try_${version}') is not null`
    const postgres = await PostgresConnection.open(options, isThere, text)
    const problem = options.forBudgets ? await durabilityProblem(postgres) : undefined
    if (problem !== undefined) {
      await postgres.close()
      throw new UserError(problem)
    }
    return new PostgresLedger(postgres, options)
  }

  async try(hold: Hold): Promise<Granted | Refused> {
    checkHold(hold)
    const { lines } = hold
    const [row] = await this.#call('try', [
      hold.id,
      hold.expiresInMs,
      hold.note ?? '',
      lines.map(({ key }) => key),
      lines.map(({ kind }) => kind),
      lines.map(({ amount }) => amount),
      lines.map(({ cap }) => cap ?? null),
      lines.map(({ endsAtMs }) => endsAtMs),
    ])
    if (row?.outcome === 'Granted') {
      return { outcome: 'Granted', counters: countersIn(row) }
    }
    if (row?.outcome === 'Refused') {
      return refusal(lines, countersIn(row))
    }
    throw row?.outcome === 'Skew'
      ? new LedgerError('ClockSkew', 'The window of a line ended long ago.')
      : new BugError(`The hold ${hold.id} ended already; an attempt has an id of its own.`)
  }

  async renew(holdId: string, renewal: Renewal): Promise<RenewOutcome> {
    checkRenewal(renewal)
    const { expiresInMs, used, note = '' } = renewal
    const [row] = await this.#call('renew', [holdId, expiresInMs, used, note])
    return row?.outcome as RenewOutcome
  }

  async settle(holdId: string, { used, exactness }: Settlement): Promise<SettleOutcome> {
    checkUsed(used)
    const [row] = await this.#call('settle', [holdId, exactness, used])
    return row?.outcome as SettleOutcome
  }

  async lapsed(ageMs: number): Promise<readonly LapsedHold[]> {
    const rows = await this.#call<LapsedRow>('lapsed', [ageMs])
    return rows.map(({ id, note, noted, expires_at_ms }) => {
      return { id, note, used: noted.map(Number), lapsedAtMs: Number(expires_at_ms) }
    })
  }

  async read(keys: readonly string[]): Promise<readonly Counter[]> {
    const [row] = await this.#call('read', [keys])
    return row === undefined ? [] : countersIn(row)
  }

  /** Deletes what is long over, however much it is, in short transactions. Done every minute by itself. */
  async tidy(): Promise<void> {
    let gone = tidiedAtOnce
    while (gone >= tidiedAtOnce && !this.#isClosed) {
      const [row] = await this.#call<{ gone: string }>('tidy', [])
      gone = Number(row?.gone ?? 0)
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearInterval(this.#tidying)
    await this.#postgres.close()
  }

  #call<Row extends object = CounterRow>(
    op: keyof typeof calls,
    values: readonly unknown[],
  ): Promise<readonly Row[]> {
    return this.#postgres.query(`loraplex ${op} ${version}`, calls[op], [
      this.#now?.() ?? null,
      ...values,
    ])
  }
}

const calls = {
  try: `select * from try_${version}($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
  renew: `select renew_${version}($1, $2, $3, $4, $5) as outcome`,
  settle: `select settle_${version}($1, $2, $3, $4) as outcome`,
  lapsed: `select id, note, noted, expires_at_ms from lapsed_${version}($1, $2)`,
  read: `select * from read_${version}($1, $2)`,
  tidy: `select tidy_${version}($1) as gone`,
} as const

async function durabilityProblem(postgres: PostgresConnection): Promise<string | undefined> {
  const rows = await postgres.query<{ name: string; setting: string }>(
    'loraplex settings',
    `select name, setting from pg_settings where name in ('fsync', 'synchronous_commit') and setting = 'off'`,
    [],
  )
  return rows.length === 0
    ? undefined
    : `This Postgres may forget budgets: ${rows.map(({ name }) => `${name} is off`).join(', ')}.\nSwitch it on.`
}

function countersIn({ committed, held }: CounterRow): readonly Counter[] {
  return (committed ?? []).map((value, index) => ({
    committed: Number(value),
    held: Number(held?.[index]),
  }))
}

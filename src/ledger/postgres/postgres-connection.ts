import pg from 'pg'
import { UserError } from '../../errors.ts'
import { LedgerError } from '../ledger-error.ts'

export interface PostgresOptions {
  /** `postgres://user:password@host:port/database` */
  readonly url: string
  /** Tables lie in a schema of their own. */
  readonly schema?: string
  readonly maxConnections?: number
  /** For what happens to connections; never with credentials in it. */
  readonly log?: (message: string) => void
}

const timeoutMs = 5_000
/** Two calls waited for each other, or one came in between: the same call is right again. */
const tryAgain = new Set(['40001', '40P01', '55P03'])

/** A pool of connections into one schema. */
export class PostgresConnection {
  readonly schema: string
  readonly #pool: pg.Pool

  private constructor(options: PostgresOptions) {
    this.schema = options.schema ?? 'loraplex'
    if (!/^[a-z_][a-z0-9_]{0,62}$/.test(this.schema)) {
      throw new UserError(`A Postgres schema is named in lower case: ${this.schema} is not.`)
    }
    this.#pool = new pg.Pool({
      connectionString: options.url,
      max: options.maxConnections ?? 8,
      connectionTimeoutMillis: timeoutMs,
      query_timeout: timeoutMs,
      statement_timeout: timeoutMs,
      lock_timeout: timeoutMs,
      application_name: 'loraplex',
      options: `-c search_path=${this.schema}`,
    })
    this.#pool.on('error', (error) => options.log?.(`postgres: ${error.message}`))
  }

  /** Creates what `create` makes unless `isThere`, a condition on the schema, says that it is. @throws LedgerError, UserError */
  static async open(
    options: PostgresOptions,
    isThere: (schema: string) => string,
    create: string,
  ): Promise<PostgresConnection> {
    const connection = new PostgresConnection(options)
    try {
      await connection.#prepare(isThere(connection.schema), create)
      return connection
    } catch (error) {
      await connection.close()
      throw error
    }
  }

  /** With a name, the server keeps the plan of its text. @throws LedgerError when there is no answer. */
  async query<Row extends pg.QueryResultRow>(
    name: string | undefined,
    text: string,
    values: unknown[],
  ): Promise<readonly Row[]> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const result = await this.#pool.query<Row>({
          ...(name === undefined ? {} : { name }),
          text,
          values,
        })
        return result.rows
      } catch (error) {
        if (attempt === 3 || !tryAgain.has(codeOf(error))) {
          throw unavailable(error)
        }
      }
    }
  }

  async close(): Promise<void> {
    if (!this.#pool.ending) {
      await this.#pool.end()
    }
  }

  /** Processes that start together take turns. */
  async #prepare(isThere: string, create: string): Promise<void> {
    const client = await this.#pool.connect().catch((error: unknown) => {
      throw unavailable(error)
    })
    const lock = `hashtext('loraplex ${this.schema}')`
    try {
      const exists = async (): Promise<boolean> =>
        (await client.query<{ there: boolean }>(`select (${isThere}) as there`)).rows[0]?.there ===
        true
      if (!(await exists())) {
        // Not within the transaction: it would not see what another one made while this one waited.
        await client.query(`select pg_advisory_lock(${lock})`)
        if (!(await exists())) {
          await client.query(`begin; create schema if not exists ${this.schema}; ${create}; commit`)
        }
        await client.query(`select pg_advisory_unlock(${lock})`)
      }
      client.release()
    } catch (error) {
      client.release(true)
      const reason = error instanceof Error ? error.message : String(error)
      throw new UserError(
        `The tables in Postgres could not be made: ${reason}.\nAllow this user to create the schema ${this.schema}, or create it for the user.`,
        1,
        error,
      )
    }
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

function unavailable(error: unknown): LedgerError {
  const reason = error instanceof Error ? error.message : String(error)
  return new LedgerError('Unavailable', `Postgres did not answer: ${reason}`, error)
}

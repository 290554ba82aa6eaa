import { createClient, ErrorReply, type RedisClientType } from '@redis/client'
import { inTime } from '../in-time.ts'
import { LedgerError } from '../ledger-error.ts'
import { ledgerScript } from './ledger-script.ts'

export interface RedisOptions {
  /** `redis[s]://[[user]:password@]host[:port][/database]` */
  readonly url: string
  /** Installations that share a server tell themselves apart by it. */
  readonly prefix?: string
  /** For what happens to the connection; never with credentials in it. */
  readonly log?: (message: string) => void
}

/** A silent server: pings go out, and a connection on which nothing comes back is made anew. */
const pingEveryMs = 2_000
const silentForMs = 5_000
/** More than this waits for a server that does not answer: the next call fails at once. */
const maxWaiting = 10_000

/** One connection, made again whenever it is lost. Calls in between fail at once instead of waiting. */
export class RedisConnection {
  readonly #client: RedisClientType
  readonly #prefix: string
  #wasReady = false

  private constructor(options: RedisOptions) {
    this.#prefix = `{${options.prefix ?? 'loraplex'}:1}`
    this.#client = createClient({
      url: options.url,
      disableOfflineQueue: true,
      commandsQueueMaxLength: maxWaiting,
      pingInterval: pingEveryMs,
      socket: {
        connectTimeout: silentForMs,
        socketTimeout: silentForMs,
        // The first time, whoever opens it hears at once that there is no server.
        reconnectStrategy: (tries) => this.#wasReady && Math.min(25 * 2 ** tries, 1_000),
      },
    })
    this.#client.on('error', (error: Error) => options.log?.(`redis: ${error.message}`))
  }

  /** @throws LedgerError when the server cannot be reached within the time of one attempt. */
  static async open(options: RedisOptions): Promise<RedisConnection> {
    const connection = new RedisConnection(options)
    try {
      await inTime(connection.#client.connect(), silentForMs)
      connection.#wasReady = true
      return connection
    } catch (error) {
      await connection.close()
      throw unavailable(error)
    }
  }

  /** Called at once, and after each time that the connection was lost. */
  onReady(listener: () => void): void {
    this.#client.on('ready', listener)
    listener()
  }

  /** Runs one operation of the script. Sending it twice is safe: a try by its id, a settlement by its end. */
  async run(op: string, nowMs: number | undefined, args: readonly string[]): Promise<Reply> {
    const call = {
      keys: [`${this.#prefix}:epoch`],
      arguments: [this.#prefix, op, nowMs === undefined ? '' : String(nowMs), ...args],
    }
    try {
      return (await this.#client.evalSha(ledgerScript.sha1, call)) as unknown as Reply
    } catch (error) {
      if (!(error instanceof ErrorReply && error.message.startsWith('NOSCRIPT'))) {
        throw unavailable(error)
      }
    }
    try {
      return (await this.#client.eval(ledgerScript.text, call)) as unknown as Reply
    } catch (error) {
      throw unavailable(error)
    }
  }

  /** Settings of the server whose names match. */
  async settings(pattern: string): Promise<Readonly<Record<string, string>>> {
    return this.#client.configGet(pattern)
  }

  async close(): Promise<void> {
    if (this.#client.isReady) {
      await this.#client.close()
    } else if (this.#client.isOpen) {
      this.#client.destroy()
    }
  }
}

/** What the script answers: a word, then numbers as text. */
export type Reply = readonly [string, ...(readonly string[])]

function unavailable(error: unknown): LedgerError {
  const reason = error instanceof Error ? error.message : String(error)
  return new LedgerError('Unavailable', `Redis did not answer: ${reason}`, error)
}

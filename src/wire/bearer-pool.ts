import { Pool, type Dispatcher } from 'undici'
import { WireError } from './wire-error.ts'

export interface BearerPoolOptions {
  /** `http://10.0.3.7:8100`, without a path. */
  readonly url: string
  readonly token: string
  /** On every request. */
  readonly headers?: Readonly<Record<string, string>>
  /** Kept alive; more calls at once wait. */
  readonly connections: number
  /** Until the headers of an answer, and between two pieces of its body. */
  readonly timeoutMs: number
}

export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  readonly path: string
  readonly body?: object
  readonly signal?: AbortSignal | undefined
  /** Instead of the pool's. */
  readonly timeoutMs?: number
  /** Bytes of an answer that are read. */
  readonly maxBytes?: number
}

export interface CallAnswer {
  readonly status: number
  readonly text: string
}

const maxAnswerBytes = 16 * 1024 * 1024

/** JSON over connections that stay open, with one token: what processes of ours say to each other. */
export class BearerPool {
  readonly #pool: Pool
  readonly #options: BearerPoolOptions
  readonly #headers: Readonly<Record<string, string>>

  constructor(options: BearerPoolOptions) {
    this.#options = options
    this.#headers = { ...options.headers, authorization: `Bearer ${options.token}` }
    this.#pool = new Pool(options.url, {
      connections: options.connections,
      connect: { timeout: Math.min(options.timeoutMs, 5000) },
      headersTimeout: options.timeoutMs,
      bodyTimeout: options.timeoutMs,
      keepAliveTimeout: 30_000,
    })
  }

  /** Any status. @throws WireError where there is no answer; the signal's reason where it aborts. */
  async call(call: Call): Promise<CallAnswer> {
    try {
      const { statusCode, body } = await this.#pool.request({
        method: call.method,
        path: call.path,
        ...(call.body === undefined
          ? { headers: this.#headers }
          : {
              body: JSON.stringify(call.body),
              headers: { ...this.#headers, 'content-type': 'application/json' },
            }),
        ...(call.signal === undefined ? {} : { signal: call.signal }),
        ...(call.timeoutMs === undefined
          ? {}
          : { headersTimeout: call.timeoutMs, bodyTimeout: call.timeoutMs }),
      })
      return { status: statusCode, text: await readText(body, call.maxBytes ?? maxAnswerBytes) }
    } catch (error) {
      call.signal?.throwIfAborted()
      throw this.explain(error, call)
    }
  }

  /** The answer's body as it comes; the caller destroys it. */
  async stream(
    path: string,
    silenceMs: number,
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData> {
    return this.#pool.request({
      method: 'GET',
      path,
      headers: this.#headers,
      signal,
      bodyTimeout: silenceMs,
    })
  }

  explain(error: unknown, call: Pick<Call, 'method' | 'path'>): WireError {
    if (error instanceof WireError) {
      return error
    }
    const code = (error as NodeJS.ErrnoException | undefined)?.code ?? 'unknown'
    return new WireError(
      'Unreachable',
      `${call.method} ${this.#options.url}${call.path}: no answer (${code}).`,
      0,
      error,
    )
  }

  async close(): Promise<void> {
    await this.#pool.destroy()
  }
}

async function readText(body: Dispatcher.ResponseData['body'], maxBytes: number): Promise<string> {
  const pieces: Uint8Array[] = []
  let size = 0
  for await (const piece of body as AsyncIterable<Uint8Array>) {
    size += piece.byteLength
    if (size > maxBytes) {
      throw new WireError('BadAnswer', `The answer is larger than ${maxBytes} bytes.`)
    }
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString('utf8')
}

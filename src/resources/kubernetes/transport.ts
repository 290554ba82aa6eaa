import { Pool, type Dispatcher } from 'undici'
import type { ApiRequest, RequestCount } from './api-request.ts'
import { Backoff } from './backoff.ts'
import type { ClusterAccess, ClusterCredentials, ClusterTls } from './cluster-access.ts'
import { Gate } from './gate.ts'
import { guardedDispatch, type GuardedOptions } from './guarded-dispatch.ts'
import { isPassing, KubeApiError } from './kube-api-error.ts'
import { leaseType } from './lease.ts'
import { pause } from './pause.ts'
import { errorOfStatus } from './read-status.ts'

export interface TransportOptions {
  /** Requests in flight at once; watches and Leases apart. */
  readonly maxConcurrent?: number
  readonly onRequest?: (count: RequestCount) => void
  readonly userAgent?: string
  readonly random?: () => number
}

export interface SendLimits {
  /** Of one try, first byte to last. */
  readonly timeoutMs: number
  /** Tries after the first. */
  readonly retries: number
  readonly signal?: AbortSignal | undefined
}

/** One cluster's connections: authentication, errors as `KubeApiError`, retries. Knows nothing of objects. */
export interface Transport {
  /** The whole answer, parsed. */
  send(request: ApiRequest, limits: SendLimits): Promise<unknown>
  /** The answer's body as it comes; the signal ends it. `headersTimeoutMs` bounds the wait for it. */
  open(
    request: ApiRequest,
    headersTimeoutMs: number,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array>>
  close(): Promise<void>
}

/** A server that says nothing better is asked again after so long. */
const retryBackoff = { baseMs: 200, maxMs: 5_000 } as const
/** Longer than any sane server asks for; a broken one must not stop us for a day. */
const maxRetryAfterMs = 60_000
const maxErrorChars = 64 << 10

export function createTransport(access: ClusterAccess, options: TransportOptions = {}): Transport {
  return new HttpTransport(access, options)
}

class HttpTransport implements Transport {
  readonly #access: ClusterAccess
  readonly #options: TransportOptions
  readonly #gate: Gate
  #pool: { readonly tls: ClusterTls; readonly pool: Pool; readonly guarded: Dispatcher } | undefined

  constructor(access: ClusterAccess, options: TransportOptions) {
    this.#access = access
    this.#options = options
    this.#gate = new Gate(options.maxConcurrent ?? 32)
  }

  async send(request: ApiRequest, limits: SendLimits): Promise<unknown> {
    const backoff = new Backoff({ ...retryBackoff, random: this.#options.random ?? Math.random })
    for (;;) {
      try {
        // A renewal does not stand in line: no lead is lost to our own load.
        return request.kind === leaseType.kind
          ? await this.#try(request, limits)
          : await this.#gate.pass(() => this.#try(request, limits), limits.signal)
      } catch (error) {
        limits.signal?.throwIfAborted()
        if (backoff.attempts >= limits.retries || !mayRetry(error, request)) {
          throw error
        }
        await pause(waitAfter(error, backoff), limits.signal)
        limits.signal?.throwIfAborted()
      }
    }
  }

  async open(
    request: ApiRequest,
    headersTimeoutMs: number,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array>> {
    const late = new AbortController()
    const timer = setTimeout(() => late.abort(), headersTimeoutMs)
    try {
      const answer = await this.#dispatch(request, AbortSignal.any([signal, late.signal]))
      if (answer.statusCode !== 200) {
        throw await this.#refusal(request, answer)
      }
      this.#count(request, answer.statusCode)
      return answer.body as AsyncIterable<Uint8Array>
    } catch (error) {
      signal.throwIfAborted()
      throw this.#explain(error, request, late.signal.aborted ? headersTimeoutMs : undefined)
    } finally {
      clearTimeout(timer)
    }
  }

  async close(): Promise<void> {
    const pool = this.#pool?.pool
    this.#pool = undefined
    await pool?.destroy()
  }

  async #try(request: ApiRequest, limits: SendLimits): Promise<unknown> {
    const timeout = AbortSignal.timeout(limits.timeoutMs)
    const signals = limits.signal === undefined ? [timeout] : [limits.signal, timeout]
    try {
      const answer = await this.#dispatch(request, AbortSignal.any(signals))
      if (answer.statusCode >= 300) {
        throw await this.#refusal(request, answer)
      }
      const body = parse(request, await answer.body.text())
      this.#count(request, answer.statusCode)
      return body
    } catch (error) {
      limits.signal?.throwIfAborted()
      throw this.#explain(error, request, timeout.aborted ? limits.timeoutMs : undefined)
    }
  }

  async #dispatch(request: ApiRequest, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    const { headers, tls } = await this.#credentials(request)
    const body = request.body === undefined ? undefined : JSON.stringify(request.body)
    const query = new URLSearchParams(request.query).toString()
    const guarded: Dispatcher.RequestOptions & GuardedOptions = {
      // Kept where the cluster's address has a path, as behind a proxy of Rancher's kind.
      path: `${basePath(this.#access.url)}${request.path}${query === '' ? '' : `?${query}`}`,
      method: request.method,
      headers: {
        ...headers,
        accept: 'application/json',
        'user-agent': this.#options.userAgent ?? 'loraplex',
        ...(body === undefined
          ? {}
          : { 'content-type': request.contentType ?? 'application/json' }),
      },
      ...(body === undefined ? {} : { body }),
      signal,
      guard: request.guard,
    }
    return await this.#dispatcherFor(tls).request(guarded)
  }

  async #credentials(request: ApiRequest): Promise<ClusterCredentials> {
    try {
      return await this.#access.credentials()
    } catch (error) {
      const words = error instanceof Error ? error.message : String(error)
      throw new KubeApiError({
        reason: 'Unauthorized',
        status: 0,
        message: `${what(request)}: no credentials: ${words}`,
        cause: error,
      })
    }
  }

  #dispatcherFor(tls: ClusterTls): Dispatcher {
    if (this.#pool?.tls !== tls) {
      // What runs on the old certificates may end; a rotation cuts nothing.
      void this.#pool?.pool.close()
      const pool = newPool(this.#access.url, tls)
      this.#pool = { tls, pool, guarded: pool.compose(guardedDispatch) }
    }
    return this.#pool.guarded
  }

  async #refusal(request: ApiRequest, answer: Dispatcher.ResponseData): Promise<KubeApiError> {
    this.#count(request, answer.statusCode)
    const text = (await answer.body.text()).slice(0, maxErrorChars)
    const retryAfter = answer.headers['retry-after']
    return errorOfStatus(
      what(request),
      answer.statusCode,
      parsed(text),
      typeof retryAfter === 'string' ? retryAfter : undefined,
    )
  }

  #explain(error: unknown, request: ApiRequest, timedOutAfterMs: number | undefined): unknown {
    if (error instanceof KubeApiError) {
      return error
    }
    this.#count(request, 0)
    const code = (error as NodeJS.ErrnoException | undefined)?.code ?? 'unknown'
    const words =
      timedOutAfterMs === undefined
        ? `the connection failed (${code})`
        : `no answer in ${timedOutAfterMs} ms`
    const message = `${what(request)}: ${words}`
    return new KubeApiError({ reason: 'Unreachable', status: 0, message, cause: error })
  }

  #count({ verb, kind }: ApiRequest, code: number): void {
    this.#options.onRequest?.({ verb, kind, code })
  }
}

function newPool(url: string, tls: ClusterTls): Pool {
  return new Pool(new URL(url).origin, {
    // HTTP/2 leaks under long watches with Node's own module (Pepr's ADR 15), and one connection is one fate.
    allowH2: false,
    headersTimeout: 0,
    bodyTimeout: 0,
    // The API server's own idle limit is minutes; load balancers in front of it often have 60 s or more.
    keepAliveTimeout: 30_000,
    keepAliveMaxTimeout: 60_000,
    connect: { ...tls, timeout: 5_000, keepAlive: true, keepAliveInitialDelay: 15_000 },
  })
}

function mayRetry(error: unknown, request: ApiRequest): boolean {
  if (!isPassing(error)) {
    return false
  }
  // A server that says 429 has done nothing.
  return request.isIdempotent || (error instanceof KubeApiError && error.status === 429)
}

function waitAfter(error: unknown, backoff: Backoff): number {
  const jitterMs = backoff.nextMs()
  const askedMs = error instanceof KubeApiError ? (error.retryAfterMs ?? 0) : 0
  return Math.min(askedMs, maxRetryAfterMs) + jitterMs
}

function basePath(url: string): string {
  return new URL(url).pathname.replace(/\/+$/, '')
}

function what({ verb, path }: ApiRequest): string {
  return `${verb} ${path}`
}

function parse(request: ApiRequest, text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    const message = `${what(request)}: the answer is no JSON`
    throw new KubeApiError({ reason: 'BadAnswer', status: 0, message, cause: error })
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

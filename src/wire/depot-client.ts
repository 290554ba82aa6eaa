import { basename } from 'node:path'
import { BugError } from '../errors.ts'
import type {
  FetchOutcome,
  PreflightOptions,
  PreflightVerdict,
  StoredAdapter,
} from '../artifacts/types.ts'
import { BearerPool, type Call, type CallAnswer } from './bearer-pool.ts'
import {
  depotRoutes,
  type FetchRequest,
  type PreflightRequest,
  type RetainAnswer,
  type RetainRequest,
  type SourceOrigin,
  type StoredFacts,
} from './depot-protocol.ts'
import { WireError } from './wire-error.ts'

export interface DepotClientOptions {
  /** `http://loraplex-depot.loraplex:8200`. */
  readonly url: string
  /** `controllerToken` of the installation. */
  readonly token: string
  /** A fetch of several GiB from a slow server; an hour. */
  readonly longTimeoutMs?: number
}

/** What of an intake's request the depot needs. */
export interface FetchOrder {
  readonly uri: string
  readonly expectedDigest: string | undefined
  readonly origin?: SourceOrigin | undefined
}

/** The depot as the controller's intake knows its tools: a digest stands where a path would. */
export interface DepotClient {
  fetch(order: FetchOrder, signal: AbortSignal): Promise<FetchOutcome>
  stored(digest: string, order: Pick<FetchOrder, 'origin'>): Promise<StoredAdapter | undefined>
  /** `options.baseModelPath` is a `baseKeyOf`. */
  preflight(path: string, options: PreflightOptions, signal: AbortSignal): Promise<PreflightVerdict>
  retain(request: RetainRequest, signal?: AbortSignal): Promise<RetainAnswer>
  close(): Promise<void>
}

/** Calls throw `WireError`; a depot that is away is worth another try. */
export function createDepotClient(options: DepotClientOptions): DepotClient {
  return new HttpDepotClient(options)
}

class HttpDepotClient implements DepotClient {
  readonly #pool: BearerPool
  readonly #longTimeoutMs: number

  constructor(options: DepotClientOptions) {
    this.#longTimeoutMs = options.longTimeoutMs ?? 3_600_000
    this.#pool = new BearerPool({
      url: options.url,
      token: options.token,
      // Fetches take long, and a rollout asks for hundreds at once; the depot has its own limits.
      connections: 64,
      timeoutMs: 10_000,
    })
  }

  fetch(order: FetchOrder, signal: AbortSignal): Promise<FetchOutcome> {
    const { uri, expectedDigest } = order
    const body: FetchRequest = {
      uri,
      origin: originOf(order),
      ...(expectedDigest === undefined ? {} : { expectedDigest }),
    }
    return this.#json({ method: 'POST', path: depotRoutes.fetch, body, ...this.#long(signal) })
  }

  async stored(
    digest: string,
    order: Pick<FetchOrder, 'origin'>,
  ): Promise<StoredAdapter | undefined> {
    const path = depotRoutes.facts(digest, originOf(order).poolKey)
    const answer = await this.#pool.call({ method: 'GET', path })
    if (answer.status === 404) {
      return undefined
    }
    const { sizeBytes } = read(answer, path) as StoredFacts
    return { digest, path: digest, sizeBytes }
  }

  preflight(
    path: string,
    options: PreflightOptions,
    signal: AbortSignal,
  ): Promise<PreflightVerdict> {
    const { baseModelPath, baseModel, ...rest } = options
    const body: PreflightRequest = {
      digest: basename(path),
      options: {
        ...rest,
        baseModelNames: [...rest.baseModelNames],
        ...(baseModelPath === undefined ? {} : { baseModelPath }),
        ...(baseModel === undefined ? {} : { baseModel }),
      },
    }
    return this.#json({ method: 'POST', path: depotRoutes.preflight, body, ...this.#long(signal) })
  }

  retain(request: RetainRequest, signal?: AbortSignal): Promise<RetainAnswer> {
    return this.#json({
      method: 'POST',
      path: depotRoutes.retain,
      body: request,
      timeoutMs: 60_000,
      signal,
    })
  }

  close(): Promise<void> {
    return this.#pool.close()
  }

  #long(signal: AbortSignal): Pick<Call, 'signal' | 'timeoutMs'> {
    return { signal, timeoutMs: this.#longTimeoutMs }
  }

  async #json<T>(call: Call): Promise<T> {
    // The other end is this program too; what it says has these types.
    return read(await this.#pool.call(call), call.path) as T
  }
}

function originOf({ origin }: Pick<FetchOrder, 'origin'>): SourceOrigin {
  if (origin === undefined) {
    throw new BugError('an adapter is fetched for nobody: its request has no origin')
  }
  return origin
}

function read({ status, text }: CallAnswer, path: string): unknown {
  if (status !== 200) {
    const words = `The depot answered ${status} to ${path}: ${text.slice(0, 200)}`
    throw new WireError('Refused', words, status)
  }
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new WireError('BadAnswer', 'The depot answered no JSON.', status, error)
  }
}

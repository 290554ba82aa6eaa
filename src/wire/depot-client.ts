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
  type ClaimReader,
  type FetchRequest,
  type PreflightRequest,
  type RetainAnswer,
  type RetainRequest,
  type SourceOrigin,
  type StoredFacts,
} from './depot-protocol.ts'
import { FairTurnstile } from './fair-turnstile.ts'
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
  readonly reader?: ClaimReader | undefined
}

/** The depot as the controller's intake knows its tools: a digest stands where a path would. */
export interface DepotClient {
  fetch(order: FetchOrder, signal: AbortSignal): Promise<FetchOutcome>
  stored(digest: string, order: Pick<FetchOrder, 'origin'>): Promise<StoredAdapter | undefined>
  /** `options.baseModelPath` is a `baseKeyOf`. */
  preflight(
    path: string,
    options: PreflightOptions,
    signal: AbortSignal,
    order: Pick<FetchOrder, 'origin'>,
  ): Promise<PreflightVerdict>
  retain(request: RetainRequest, signal?: AbortSignal): Promise<RetainAnswer>
  close(): Promise<void>
}

const longConnections = 64

/** Calls throw `WireError`; a depot that is away is worth another try. */
export function createDepotClient(options: DepotClientOptions): DepotClient {
  return new HttpDepotClient(options)
}

class HttpDepotClient implements DepotClient {
  readonly #short: BearerPool
  /** Apart, so that a question of a moment does not wait behind fetches of minutes. */
  readonly #long: BearerPool
  /** No namespace has all connections: the depot sees to its turns only of what it was asked. */
  readonly #turns = new FairTurnstile(longConnections)
  readonly #longTimeoutMs: number

  constructor(options: DepotClientOptions) {
    this.#longTimeoutMs = options.longTimeoutMs ?? 3_600_000
    const { url, token } = options
    const shared = { url, token, timeoutMs: 10_000 }
    this.#short = new BearerPool({ ...shared, connections: 16 })
    // A rollout asks for hundreds at once; the depot has its own limits.
    this.#long = new BearerPool({ ...shared, connections: longConnections })
  }

  fetch(order: FetchOrder, signal: AbortSignal): Promise<FetchOutcome> {
    const { uri, expectedDigest, reader } = order
    const body: FetchRequest = {
      uri,
      origin: originOf(order),
      ...(expectedDigest === undefined ? {} : { expectedDigest }),
      ...(reader === undefined ? {} : { reader }),
    }
    const call = { method: 'POST', path: depotRoutes.fetch, body } as const
    return this.#work(body.origin.namespace, call, signal)
  }

  async stored(
    digest: string,
    order: Pick<FetchOrder, 'origin'>,
  ): Promise<StoredAdapter | undefined> {
    const path = depotRoutes.facts(digest, originOf(order).poolKey)
    const answer = await this.#short.call({ method: 'GET', path })
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
    order: Pick<FetchOrder, 'origin'>,
  ): Promise<PreflightVerdict> {
    const { baseModelPath, baseModel, ...rest } = options
    const { namespace } = originOf(order)
    const body: PreflightRequest = {
      digest: basename(path),
      namespace,
      options: {
        ...rest,
        baseModelNames: [...rest.baseModelNames],
        ...(baseModelPath === undefined ? {} : { baseModelPath }),
        ...(baseModel === undefined ? {} : { baseModel }),
      },
    }
    return this.#work(namespace, { method: 'POST', path: depotRoutes.preflight, body }, signal)
  }

  async retain(request: RetainRequest, signal?: AbortSignal): Promise<RetainAnswer> {
    const path = depotRoutes.retain
    const call: Call = { method: 'POST', path, body: request, timeoutMs: 60_000, signal }
    return read(await this.#short.call(call), path) as RetainAnswer
  }

  async close(): Promise<void> {
    await Promise.all([this.#short.close(), this.#long.close()])
  }

  async #work<T>(namespace: string, call: Call, signal: AbortSignal): Promise<T> {
    const timeoutMs = this.#longTimeoutMs
    const work = (): Promise<CallAnswer> => this.#long.call({ ...call, timeoutMs, signal })
    const answer = await this.#turns.pass(namespace, work, signal)
    // The other end is this program too; what it says has these types.
    return read(answer, call.path) as T
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

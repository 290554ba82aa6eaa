import { lookup as dnsLookup } from 'node:dns/promises'
import { isIP, type LookupFunction } from 'node:net'
import { getCACertificates } from 'node:tls'
import { Agent, type Dispatcher } from 'undici'
import { isPublicAddress } from './address-policy.ts'
import { DownloadError } from './download-error.ts'

export interface ResolvedAddress {
  readonly address: string
  readonly family: number
}

export interface GuardedHttpOptions {
  /** `host` or `host:port` whose addresses may be private, on any port. */
  readonly allowPrivateHosts: ReadonlySet<string>
  readonly resolve?: (host: string) => Promise<readonly ResolvedAddress[]>
  /** Sent as `authorization`, to `hosts` only. */
  readonly authorization?: string | undefined
  /** `host` or `host:port`; undefined: the first URL's own. */
  readonly hosts?: readonly string[] | undefined
  /** PEM, trusted besides the usual ones. */
  readonly ca?: string | undefined
  /** For headers, and between two pieces of a body. */
  readonly silenceMs?: number
}

export interface GuardedAnswer {
  readonly status: number
  readonly headers: Dispatcher.ResponseData['headers']
  readonly body: Dispatcher.ResponseData['body']
}

const maxRedirects = 5
const redirects = new Set([301, 302, 303, 307, 308])

/**
 * GET over HTTPS for URLs that tenants write. A connection goes to an address that was checked: the check is the name
 * resolution of the connection itself, so that no second answer of a name server can come in between.
 */
export class GuardedHttp {
  readonly #options: GuardedHttpOptions
  readonly #agent: Agent
  /** For hosts that are allowed: a name's resolution does not know for which port it is. */
  readonly #privateAgent: Agent

  constructor(options: GuardedHttpOptions) {
    this.#options = options
    this.#agent = this.#agentWith(isPublicAddress)
    this.#privateAgent = this.#agentWith(() => true)
  }

  #agentWith(isAllowed: (address: string) => boolean): Agent {
    const options = this.#options
    return new Agent({
      connect: {
        lookup: this.#lookup(isAllowed),
        timeout: 10_000,
        ...(options.ca === undefined ? {} : { ca: [...getCACertificates(), options.ca] }),
      },
      headersTimeout: options.silenceMs ?? 30_000,
      bodyTimeout: options.silenceMs ?? 30_000,
      maxHeaderSize: 16 * 1024,
      // A name is resolved, and its addresses checked, for each request.
      pipelining: 0,
    })
  }

  /** Follows redirects. @throws DownloadError; the signal's reason where it aborts. */
  async get(
    first: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal | undefined,
  ): Promise<GuardedAnswer> {
    let url = new URL(first)
    const firstHost = url.host
    for (let hop = 0; hop <= maxRedirects; hop += 1) {
      this.#check(url)
      const answer = await this.#request(url, this.#headersFor(url, firstHost, headers), signal)
      const location = redirects.has(answer.status) ? answer.headers['location'] : undefined
      if (typeof location !== 'string') {
        return answer
      }
      await answer.body.dump().catch(() => undefined)
      if (!URL.canParse(location, url.href)) {
        throw new DownloadError('SourceUnreachable', 'The server redirects to no URL.', true)
      }
      url = new URL(location, url.href)
    }
    throw new DownloadError(
      'SourceUnreachable',
      `The server redirects more than ${maxRedirects} times.`,
      true,
    )
  }

  async close(): Promise<void> {
    await Promise.all([this.#agent.destroy(), this.#privateAgent.destroy()])
  }

  #headersFor(
    url: URL,
    firstHost: string,
    headers: Readonly<Record<string, string>>,
  ): Record<string, string> {
    const { authorization, hosts } = this.#options
    const known =
      hosts === undefined
        ? url.host === firstHost
        : hosts.includes(url.host) || (url.port === '' && hosts.includes(url.hostname))
    return {
      'user-agent': 'loraplex',
      // What is stored is what its digest names, not what a server makes of it.
      'accept-encoding': 'identity',
      ...headers,
      ...(known && authorization !== undefined ? { authorization } : {}),
    }
  }

  #check(url: URL): void {
    if (url.protocol !== 'https:' || url.username !== '' || url.password !== '') {
      throw new DownloadError(
        'SourceForbidden',
        'The source, or what its server redirects to, is no https:// URL without user and password.',
        false,
      )
    }
    if (this.#mayBePrivate(url)) {
      return
    }
    const literal = url.hostname.replace(/^\[|\]$/g, '')
    if (url.port !== '' || (isIP(literal) !== 0 && !isPublicAddress(literal))) {
      throw forbidden()
    }
  }

  #mayBePrivate(url: URL): boolean {
    const { allowPrivateHosts } = this.#options
    return allowPrivateHosts.has(url.hostname) || allowPrivateHosts.has(url.host)
  }

  async #request(
    url: URL,
    headers: Record<string, string>,
    signal: AbortSignal | undefined,
  ): Promise<GuardedAnswer> {
    try {
      const agent = this.#mayBePrivate(url) ? this.#privateAgent : this.#agent
      const { statusCode, ...answer } = await agent.request({
        origin: url.origin,
        path: url.pathname + url.search,
        method: 'GET',
        headers,
        ...(signal === undefined ? {} : { signal }),
      })
      return { status: statusCode, headers: answer.headers, body: answer.body }
    } catch (error) {
      signal?.throwIfAborted()
      throw explain(error)
    }
  }

  #lookup(isAllowed: (address: string) => boolean): LookupFunction {
    const resolve =
      this.#options.resolve ?? ((host) => dnsLookup(host, { all: true, verbatim: true }))
    return (host, options, callback) => {
      resolve(host).then(
        (addresses) => {
          // One private address among public ones is an attack, or a mistake.
          const areAllowed = addresses.every(({ address }) => isAllowed(address))
          const [first] = addresses
          if (first === undefined || !areAllowed) {
            callback(forbidden(), '')
          } else if (options.all === true) {
            callback(null, [...addresses])
          } else {
            callback(null, first.address, first.family)
          }
        },
        (error: unknown) => callback(error instanceof Error ? error : forbidden(), ''),
      )
    }
  }
}

function forbidden(): DownloadError {
  return new DownloadError(
    'SourceForbidden',
    'The source, or what its server redirects to, is at a private, loopback or link-local address, or on another port than 443. Its operator can allow the host with --allow-private-hosts of the depot.',
    false,
  )
}

function explain(error: unknown): DownloadError {
  if (error instanceof DownloadError) {
    return error
  }
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown'
  return new DownloadError(
    'SourceUnreachable',
    `The server of the source does not answer (${code}). The fetch is tried again.`,
    true,
    error,
  )
}

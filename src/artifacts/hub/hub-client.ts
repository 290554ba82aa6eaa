import { EnvHttpProxyAgent, type Dispatcher } from 'undici'
import { z } from 'zod'
import { HubError } from './hub-error.ts'

export interface HubClientOptions {
  /** `https://huggingface.co`, or a mirror. */
  readonly endpoint: string
  readonly token: string | undefined
  /** For headers, and between two pieces of a body. */
  readonly silenceMs?: number
}

/** One file of a repository, with what tells whether it came whole. */
export interface HubFile {
  readonly path: string
  readonly sizeBytes: number
  /** Of large files; the others have git's own hash. */
  readonly sha256: string | undefined
  readonly gitSha1: string | undefined
}

export interface HubModel {
  readonly commit: string
  readonly files: readonly HubFile[]
}

const modelInfo = z.object({
  sha: z.string().regex(/^[0-9a-f]{40,64}$/),
  siblings: z.array(
    z.object({
      rfilename: z.string().max(1024),
      size: z.int().min(0).optional(),
      blobId: z.string().optional(),
      lfs: z.object({ sha256: z.string().regex(/^[0-9a-f]{64}$/), size: z.int().min(0) }).nullish(),
    }),
  ),
})

const maxInfoBytes = 64 * 1024 * 1024
const maxRedirects = 5
const redirects = new Set([301, 302, 303, 307, 308])

/** The Hugging Face hub's HTTP interface, as far as models are read from it. Proxies come from the environment. */
export class HubClient {
  readonly #endpoint: URL
  readonly #token: string | undefined
  readonly #agent: EnvHttpProxyAgent

  constructor({ endpoint, token, silenceMs = 60_000 }: HubClientOptions) {
    this.#endpoint = new URL(endpoint.endsWith('/') ? endpoint : `${endpoint}/`)
    this.#token = token
    this.#agent = new EnvHttpProxyAgent({
      connect: { timeout: 15_000 },
      headersTimeout: silenceMs,
      bodyTimeout: silenceMs,
    })
  }

  /** A branch or a tag is the commit that it names now. @throws HubError. */
  async model(repository: string, revision: string, signal: AbortSignal): Promise<HubModel> {
    const path = `api/models/${repository}/revision/${encodeURIComponent(revision)}?blobs=true`
    const answer = await this.#get(path, {}, signal)
    this.#demand(answer, repository, revision)
    const parsed = modelInfo.safeParse(await readJson(answer.body))
    if (!parsed.success) {
      throw new HubError('BadAnswer', `${this.#endpoint.host} does not answer as a hub does.`)
    }
    const { sha, siblings } = parsed.data
    return {
      commit: sha,
      files: siblings.map(({ rfilename, size, blobId, lfs }) => ({
        path: rfilename,
        sizeBytes: lfs?.size ?? size ?? 0,
        sha256: lfs?.sha256,
        gitSha1: isGitHash(blobId) && (lfs ?? undefined) === undefined ? blobId : undefined,
      })),
    }
  }

  /** From a byte on. `from` of the answer is where it really begins: a server may not know ranges. @throws HubError. */
  async content(
    repository: string,
    commit: string,
    path: string,
    from: number,
    signal: AbortSignal,
  ): Promise<{ readonly from: number; readonly body: Dispatcher.ResponseData['body'] }> {
    const steps = path.split('/').map((step) => encodeURIComponent(step))
    const url = `${repository}/resolve/${commit}/${steps.join('/')}`
    const answer = await this.#get(url, from === 0 ? {} : { range: `bytes=${from}-` }, signal)
    if (answer.statusCode === 206) {
      const start = /^bytes (\d+)-/.exec(String(answer.headers['content-range']))?.[1]
      if (from > 0 && Number(start) === from) {
        return { from, body: answer.body }
      }
    }
    if (answer.statusCode === 206 || answer.statusCode === 416) {
      discard(answer)
      throw new HubError('Unreachable', 'The hub sent another part of the file than was asked for.')
    }
    this.#demand(answer, repository, commit)
    return { from: 0, body: answer.body }
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }

  async #get(
    path: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData> {
    let url = new URL(path, this.#endpoint)
    for (let hop = 0; hop <= maxRedirects; hop += 1) {
      const answer = await this.#request(url, headers, signal)
      const location = redirects.has(answer.statusCode) ? answer.headers['location'] : undefined
      if (typeof location !== 'string') {
        return answer
      }
      await answer.body.dump().catch(() => undefined)
      url = this.#next(location, url)
    }
    throw new HubError('Unreachable', 'The hub redirects without end.')
  }

  /** Where the files really are; from TLS never to a connection without it. */
  #next(location: string, from: URL): URL {
    const url = URL.canParse(location, from.href) ? new URL(location, from.href) : undefined
    if (url === undefined || (from.protocol === 'https:' && url.protocol !== 'https:')) {
      throw new HubError('BadAnswer', 'The hub redirects to what is no https URL.')
    }
    return url
  }

  async #request(
    url: URL,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData> {
    // The token is for the hub, not for the servers that it keeps its files on.
    const isHub = url.origin === this.#endpoint.origin && this.#token !== undefined
    try {
      return await this.#agent.request({
        origin: url.origin,
        path: url.pathname + url.search,
        method: 'GET',
        headers: {
          'user-agent': 'loraplex',
          'accept-encoding': 'identity',
          ...headers,
          ...(isHub ? { authorization: `Bearer ${this.#token}` } : {}),
        },
        signal,
      })
    } catch (error) {
      signal.throwIfAborted()
      const code = (error as NodeJS.ErrnoException).code ?? 'unknown'
      throw new HubError('Unreachable', `${url.host} does not answer (${code}).`, error)
    }
  }

  #demand(answer: Dispatcher.ResponseData, repository: string, revision: string): void {
    const { statusCode } = answer
    if (statusCode === 200) {
      return
    }
    discard(answer)
    const what = `${repository}@${revision}`
    if (statusCode === 401 || statusCode === 403) {
      const words =
        this.#token === undefined
          ? 'It is private, gated or not there: name a Secret with a token in model.secretRef.'
          : 'The token of model.secretRef may not read it: ask for access on the page of the model.'
      throw new HubError(
        'Denied',
        `${this.#endpoint.host} refuses ${what} (${statusCode}). ${words}`,
      )
    }
    if (statusCode === 404) {
      throw new HubError('NotFound', `${this.#endpoint.host} has no ${what}. Check model.uri.`)
    }
    throw new HubError('Unreachable', `${this.#endpoint.host} answers ${statusCode} for ${what}.`)
  }
}

function isGitHash(text: string | undefined): boolean {
  return /^[0-9a-f]{40}$/.test(text ?? '')
}

function discard({ body }: Dispatcher.ResponseData): void {
  body.on('error', () => undefined).destroy()
}

async function readJson(body: Dispatcher.ResponseData['body']): Promise<unknown> {
  const pieces: Uint8Array[] = []
  let size = 0
  for await (const piece of body as AsyncIterable<Uint8Array>) {
    size += piece.byteLength
    if (size > maxInfoBytes) {
      return undefined
    }
    pieces.push(piece)
  }
  try {
    return JSON.parse(Buffer.concat(pieces).toString('utf8'))
  } catch {
    return undefined
  }
}

import type { Readable } from 'node:stream'
import { Pool, type Dispatcher } from 'undici'
import { depotRoutes, poolHeader } from '../wire/depot-protocol.ts'
import { WireError } from '../wire/wire-error.ts'
import { isAdapterFileName, maxConfigBytes } from './adapter-files.ts'
import type { ContentStore } from './content-store.ts'
import { sourceFailed, tooLarge } from './folder-source.ts'
import type { StagingFolder } from './staging-folder.ts'
import { codeOf, StorageError } from './storage-error.ts'
import { tarEntries } from './tar-entries.ts'
import type { FetchOutcome } from './types.ts'

export interface DepotSourceOptions {
  /** `http://loraplex-depot.loraplex:8200`. */
  readonly url: string
  /** `depotToken` of the pool. */
  readonly token: string
  /** `namespace/name`. */
  readonly poolKey: string
  readonly maxBytes?: number
}

/** The depot as a pool's agents know it: content by digest, and a place for the headers of their base. */
export class DepotSource {
  readonly #pool: Pool
  readonly #headers: Readonly<Record<string, string>>
  readonly #maxBytes: number

  constructor(options: DepotSourceOptions) {
    // What it took, its own limit let in.
    this.#maxBytes = options.maxBytes ?? Number.MAX_SAFE_INTEGER
    this.#headers = {
      authorization: `Bearer ${options.token}`,
      [poolHeader]: options.poolKey,
    }
    this.#pool = new Pool(options.url, {
      connections: 4,
      connect: { timeout: 5000 },
      headersTimeout: 30_000,
      bodyTimeout: 30_000,
    })
  }

  /** Into the store, if it is what its digest names. Rejects with the signal's reason only. */
  async pull(digest: string, store: ContentStore, signal: AbortSignal): Promise<FetchOutcome> {
    try {
      const { statusCode, body } = await this.#pool.request({
        method: 'GET',
        path: depotRoutes.adapter(digest),
        headers: this.#headers,
        signal,
      })
      if (statusCode !== 200) {
        await body.dump().catch(() => undefined)
        return sourceFailed('SourceUnreachable', wordsFor(statusCode))
      }
      return await store.put((staging) => fillFromTar(staging, body, this.#maxBytes), digest)
    } catch (error) {
      signal.throwIfAborted()
      const code = codeOf(error) ?? 'broken off'
      return sourceFailed('SourceUnreachable', `The depot does not answer (${code}).`)
    }
  }

  /** @throws WireError. */
  async hasBase(key: string, signal: AbortSignal): Promise<boolean> {
    const path = depotRoutes.base(key)
    const { statusCode } = await this.#ask({ method: 'GET', path, headers: this.#headers, signal })
    if (statusCode !== 204 && statusCode !== 404) {
      throw new WireError('Refused', `The depot answered ${statusCode}.`, statusCode)
    }
    return statusCode === 204
  }

  /** `tar`: what `headersOf` of the base gives. @throws WireError. */
  async sendBase(key: string, tar: Readable, signal: AbortSignal): Promise<void> {
    const { statusCode, text } = await this.#ask({
      method: 'PUT',
      path: depotRoutes.base(key),
      headers: { ...this.#headers, 'content-type': 'application/x-tar' },
      body: tar,
      signal,
    })
    if (statusCode !== 200) {
      const words = `The depot answered ${statusCode} to the base's headers: ${text.slice(0, 200)}`
      throw new WireError('Refused', words, statusCode)
    }
  }

  async close(): Promise<void> {
    await this.#pool.destroy()
  }

  async #ask(request: Dispatcher.RequestOptions & { readonly signal: AbortSignal }) {
    try {
      const { statusCode, body } = await this.#pool.request(request)
      return { statusCode, text: await body.text() }
    } catch (error) {
      request.signal.throwIfAborted()
      throw new WireError('Unreachable', 'The depot does not answer.', 0, error)
    }
  }
}

async function fillFromTar(
  staging: StagingFolder,
  body: Readable,
  maxBytes: number,
): Promise<FetchOutcome | undefined> {
  try {
    for await (const { header, content } of tarEntries(body)) {
      const { name, type } = header
      if (type !== 'file' || !isAdapterFileName(name) || staging.digestOfFile(name) !== undefined) {
        return sourceFailed('SourceUnreadable', 'The depot sent something that is no adapter.')
      }
      const limit = name === 'adapter_config.json' ? maxConfigBytes : maxBytes
      if ((await staging.write(name, content, limit)) === 'TooLarge') {
        return { outcome: 'Refused', problem: tooLarge(name, maxBytes) }
      }
    }
  } catch (error) {
    if (error instanceof StorageError) {
      throw error
    }
    return sourceFailed('SourceUnreachable', 'The depot broke off while it sent the adapter.')
  }
  return staging.digest === undefined
    ? sourceFailed('SourceUnreachable', 'The depot did not send the whole adapter.')
    : undefined
}

function wordsFor(status: number): string {
  return status === 404
    ? 'The depot does not have it for this pool (yet).'
    : `The depot answers ${status}.`
}

import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import type {
  FetchRequest,
  PreflightRequest,
  RetainAnswer,
  RetainRequest,
  StoredFacts,
} from '../../wire/depot-protocol.ts'
import { FairTurnstile } from '../../wire/fair-turnstile.ts'
import { adapterFileNames } from '../adapter-files.ts'
import { ContentStore } from '../content-store.ts'
import { PreflightPool } from '../preflight-pool.ts'
import { problem } from '../problems.ts'
import type { FetchOutcome, PreflightVerdict, StoredAdapter } from '../types.ts'
import { filesOf, tarOf } from './adapter-tar.ts'
import { BaseShelf } from './base-shelf.ts'
import { fetchSource, type SourceSettings } from './fetch-source.ts'
import { BoundedMap } from './bounded-map.ts'
import { ageOf, GrantBook } from './grant-book.ts'

export interface DepotOptions {
  readonly cacheFolder: string
  readonly sources: SourceSettings
  /** Fetches at once; more wait, by turns of the adapters' namespaces. */
  readonly maxFetches?: number
  /** Preflights at once, likewise. One alone would be one namespace's for as long as its check takes. */
  readonly maxPreflights?: number
  /** What is younger is never deleted: its adapter may not be in anybody's list yet. */
  readonly minAgeMs?: number
}

/** Fetches adapters, judges them, and keeps them by digest for the pools that were granted them. */
export class Depot {
  readonly #options: DepotOptions
  readonly #store: ContentStore
  readonly #grants: GrantBook
  readonly #bases: BaseShelf
  readonly #preflights: PreflightPool
  readonly #fetches: FairTurnstile
  readonly #checks: FairTurnstile
  readonly #verdicts = new BoundedMap<PreflightVerdict>(20_000)

  private constructor(
    options: DepotOptions,
    store: ContentStore,
    grants: GrantBook,
    bases: BaseShelf,
  ) {
    this.#options = options
    this.#store = store
    this.#grants = grants
    this.#bases = bases
    const workers = options.maxPreflights ?? Math.min(8, Math.max(2, availableParallelism() - 1))
    this.#preflights = new PreflightPool({ workers })
    this.#fetches = new FairTurnstile(options.maxFetches ?? 16)
    this.#checks = new FairTurnstile(workers)
  }

  static async open(options: DepotOptions): Promise<Depot> {
    const { cacheFolder } = options
    return new Depot(
      options,
      await ContentStore.open(join(cacheFolder, 'adapters')),
      await GrantBook.open(join(cacheFolder, 'grants')),
      await BaseShelf.open(join(cacheFolder, 'bases')),
    )
  }

  get fetching(): number {
    return this.#fetches.inside
  }

  /** For a place. */
  get waiting(): { readonly fetches: number; readonly preflights: number } {
    return { fetches: this.#fetches.waiting, preflights: this.#checks.waiting }
  }

  /**
   * Always from the source, even where the content is here: only the source can say that this adapter may have it.
   * `path` of the answer is the digest.
   */
  async fetch(request: FetchRequest, signal: AbortSignal): Promise<FetchOutcome> {
    const outcome = await this.#fetches.pass(
      request.origin.namespace,
      () => fetchSource(request, this.#store, this.#options.sources, signal),
      signal,
    )
    if (outcome.outcome !== 'Stored') {
      return outcome
    }
    const { digest, sizeBytes } = outcome.adapter
    await this.#grants.grant(request.origin.poolKey, digest)
    // Between the two, a deletion may have come.
    return (await this.#store.get(digest)) === undefined
      ? { outcome: 'Failed', problem: problem('SourceChanged', 'It has to be fetched once more.') }
      : { outcome: 'Stored', adapter: { digest, path: digest, sizeBytes } }
  }

  async facts(poolKey: string, digest: string): Promise<StoredFacts | undefined> {
    const stored = await this.#granted(poolKey, digest)
    return stored === undefined ? undefined : { digest, sizeBytes: stored.sizeBytes }
  }

  /** While nobody has sent the base, it is one whose modules are not known: `Unknown`, and the canary decides. */
  async preflight(
    { digest, namespace = '', options }: PreflightRequest,
    signal: AbortSignal,
  ): Promise<PreflightVerdict> {
    const stored = await this.#store.get(digest)
    if (stored === undefined) {
      return {
        verdict: 'Failed',
        problem: problem('PreflightFailed', 'Its files are not in the depot any more.'),
      }
    }
    const { baseModelPath: baseKey, baseModel } = options
    const baseModelPath = baseKey === undefined ? undefined : await this.#bases.pathOf(baseKey)
    // Content and headers never change, so neither does what is said of them.
    const question = JSON.stringify([digest, options, baseModelPath !== undefined])
    const known = this.#verdicts.get(question)
    if (known !== undefined) {
      return known
    }
    const said = await this.#checks.pass(
      namespace,
      () => this.#preflights.run(stored.path, { ...options, baseModel, baseModelPath }, signal),
      signal,
    )
    const verdict =
      said.verdict === 'Unknown' && baseKey !== undefined && baseModelPath === undefined
        ? { ...said, provisional: true }
        : said
    if (verdict.verdict !== 'Failed') {
      this.#verdicts.set(question, verdict)
    }
    return verdict
  }

  /** A tar of the two files; undefined where the pool may not have it. */
  async read(poolKey: string, digest: string): Promise<Readable | undefined> {
    const stored = await this.#granted(poolKey, digest)
    return stored === undefined ? undefined : tarOf(filesOf(stored.path, adapterFileNames))
  }

  async hasBase(key: string): Promise<boolean> {
    return (await this.#bases.pathOf(key)) !== undefined
  }

  /** @throws BaseRefused. */
  putBase(key: string, tar: Readable): Promise<'Stored' | 'AlreadyThere'> {
    return this.#bases.put(key, tar)
  }

  async retain({ pools }: RetainRequest): Promise<RetainAnswer> {
    const { minAgeMs = 600_000 } = this.#options
    const left = await this.#grants.retain(pools, minAgeMs)
    const stored = new Set<string>()
    let deleted = 0
    for (const { digest, path } of await this.#store.list()) {
      const ageMs = (await ageOf(path)) ?? 0
      if (!left.has(digest) && ageMs >= minAgeMs && (await this.#store.delete(digest))) {
        deleted += 1
      } else {
        stored.add(digest)
      }
    }
    return { deleted, missing: await this.#missing(pools, stored) }
  }

  async close(): Promise<void> {
    await this.#preflights.close()
  }

  async #missing(
    pools: RetainRequest['pools'],
    stored: ReadonlySet<string>,
  ): Promise<RetainAnswer['missing']> {
    const missing: Record<string, readonly string[]> = {}
    for (const [poolKey, digests] of Object.entries(pools)) {
      const granted = await this.#grants.of(poolKey)
      const lost = digests.filter((digest) => !granted.has(digest) || !stored.has(digest))
      if (lost.length > 0) {
        missing[poolKey] = lost
      }
    }
    return missing
  }

  async #granted(poolKey: string, digest: string): Promise<StoredAdapter | undefined> {
    return (await this.#grants.has(poolKey, digest)) ? this.#store.get(digest) : undefined
  }
}

import { mkdir } from 'node:fs/promises'
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
import { StorageRoom } from '../storage-room.ts'
import type { FetchOutcome, PreflightVerdict, StoredAdapter } from '../types.ts'
import { filesOf, tarOf } from './adapter-tar.ts'
import { BaseShelf } from './base-shelf.ts'
import { fetchSource, type SourceSettings } from './fetch-source.ts'
import { BoundedMap } from './bounded-map.ts'
import { GrantBook } from './grant-book.ts'
import { Housekeeping } from './housekeeping.ts'
import { UseBook } from './use-book.ts'

export interface DepotOptions {
  readonly cacheFolder: string
  readonly sources: SourceSettings
  /** Fetches at once; more wait, by turns of the adapters' namespaces. */
  readonly maxFetches?: number
  /** Preflights at once, likewise. One alone would be one namespace's for as long as its check takes. */
  readonly maxPreflights?: number
  /** What holds the cache, if that is smaller than its volume. */
  readonly cacheBytes?: number | undefined
  /** What is younger is never deleted: its adapter may not be in anybody's list yet. */
  readonly minAgeMs?: number
  /** The same while the cache is nearly full. */
  readonly tightAgeMs?: number
  /** Since somebody asked for a base. */
  readonly baseAgeMs?: number
}

export interface DepotFigures {
  readonly usedBytes: number
  readonly limitBytes: number
  /** Since the start. */
  readonly removed: { readonly contents: number; readonly bases: number }
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
  readonly #room: StorageRoom
  readonly #uses = new UseBook()
  readonly #housekeeping: Housekeeping
  readonly #verdicts = new BoundedMap<PreflightVerdict>(20_000)

  private constructor(
    options: DepotOptions,
    room: StorageRoom,
    store: ContentStore,
    grants: GrantBook,
    bases: BaseShelf,
  ) {
    this.#options = options
    this.#store = store
    this.#grants = grants
    this.#bases = bases
    this.#room = room
    const { minAgeMs = 600_000, tightAgeMs = 60_000, baseAgeMs = 3_600_000 } = options
    const ages = { minAgeMs, tightAgeMs, baseAgeMs }
    this.#housekeeping = new Housekeeping({ store, grants, bases, room, uses: this.#uses, ...ages })
    const workers = options.maxPreflights ?? Math.min(8, Math.max(2, availableParallelism() - 1))
    this.#preflights = new PreflightPool({ workers })
    this.#fetches = new FairTurnstile(options.maxFetches ?? 16)
    this.#checks = new FairTurnstile(workers)
  }

  static async open(options: DepotOptions): Promise<Depot> {
    const { cacheFolder, cacheBytes } = options
    await mkdir(cacheFolder, { recursive: true })
    const room = await StorageRoom.of(cacheFolder, cacheBytes)
    return new Depot(
      options,
      room,
      await ContentStore.open(join(cacheFolder, 'adapters'), { room, isAlone: true }),
      await GrantBook.open(join(cacheFolder, 'grants')),
      await BaseShelf.open(join(cacheFolder, 'bases'), room),
    )
  }

  get fetching(): number {
    return this.#fetches.inside
  }

  /** For a place. */
  get waiting(): { readonly fetches: number; readonly preflights: number } {
    return { fetches: this.#fetches.waiting, preflights: this.#checks.waiting }
  }

  get figures(): DepotFigures {
    const { usedBytes, limitBytes } = this.#room
    return { usedBytes, limitBytes, removed: { ...this.#housekeeping.removed } }
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
    return this.#using([digest], async () => {
      await this.#grants.grant(request.origin.poolKey, digest)
      // Before it was in use, a deletion may have come.
      return (await this.#store.get(digest)) === undefined
        ? {
            outcome: 'Failed',
            problem: problem('SourceChanged', 'It has to be fetched once more.'),
          }
        : { outcome: 'Stored', adapter: { digest, path: digest, sizeBytes } }
    })
  }

  async facts(poolKey: string, digest: string): Promise<StoredFacts | undefined> {
    const stored = await this.#granted(poolKey, digest)
    return stored === undefined ? undefined : { digest, sizeBytes: stored.sizeBytes }
  }

  /** While nobody has sent the base, it is one whose modules are not known: `Unknown`, and the canary decides. */
  preflight(request: PreflightRequest, signal: AbortSignal): Promise<PreflightVerdict> {
    const { digest, options } = request
    const { baseModelPath: baseKey } = options
    return this.#using(baseKey === undefined ? [digest] : [digest, baseKey], () =>
      this.#preflight(request, signal),
    )
  }

  async #preflight(
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
    if (stored === undefined) {
      return undefined
    }
    const release = this.#uses.hold(digest)
    return tarOf(filesOf(stored.path, adapterFileNames)).once('close', release)
  }

  /** Asking keeps it. */
  async hasBase(key: string): Promise<boolean> {
    await this.#bases.touch(key)
    return (await this.#bases.pathOf(key)) !== undefined
  }

  /** @throws BaseRefused. */
  putBase(key: string, tar: Readable): Promise<'Stored' | 'AlreadyThere'> {
    return this.#bases.put(key, tar)
  }

  async retain({ pools }: RetainRequest): Promise<RetainAnswer> {
    return this.#housekeeping.pass(pools)
  }

  async close(): Promise<void> {
    await this.#preflights.close()
  }

  async #using<T>(keys: readonly string[], work: () => Promise<T>): Promise<T> {
    const releases = keys.map((key) => this.#uses.hold(key))
    try {
      return await work()
    } finally {
      for (const release of releases) {
        release()
      }
    }
  }

  async #granted(poolKey: string, digest: string): Promise<StoredAdapter | undefined> {
    return (await this.#grants.has(poolKey, digest)) ? this.#store.get(digest) : undefined
  }
}

import {
  baseKeyPrefixOf,
  prefixOfBaseKey,
  type RetainAnswer,
  type RetainRequest,
} from '../../wire/depot-protocol.ts'
import type { ContentStore } from '../content-store.ts'
import type { StorageRoom } from '../storage-room.ts'
import type { BaseShelf } from './base-shelf.ts'
import { ageOf, type GrantBook } from './grant-book.ts'
import type { UseBook } from './use-book.ts'

export interface HousekeepingOptions {
  readonly store: ContentStore
  readonly grants: GrantBook
  readonly bases: BaseShelf
  readonly room: StorageRoom
  /** Of digests and of keys of bases. */
  readonly uses: UseBook
  /** What was used since is never deleted: its adapter may not be in anybody's list yet. */
  readonly minAgeMs: number
  /** The same while room is scarce. */
  readonly tightAgeMs: number
  /** Agents ask for their base once a minute. */
  readonly baseAgeMs: number
}

interface Unwanted {
  readonly digest: string
  readonly idleMs: number
}

/** Deletes what no pool stands for any more; while room is scarce sooner, the least recently used first. */
export class Housekeeping {
  readonly #options: HousekeepingOptions
  #removed = { contents: 0, bases: 0 }

  constructor(options: HousekeepingOptions) {
    this.#options = options
  }

  get removed(): { readonly contents: number; readonly bases: number } {
    return this.#removed
  }

  /** `pools`: every pool there is, with the digests it stands for. */
  async pass(pools: RetainRequest['pools']): Promise<RetainAnswer> {
    const { grants, uses, minAgeMs } = this.#options
    const survey = await grants.survey(pools)
    const stored = new Set<string>()
    const unwanted: Unwanted[] = []
    for (const { digest, path } of await this.#options.store.list()) {
      stored.add(digest)
      if (!survey.kept.has(digest)) {
        const grantedMs = survey.loose.get(digest) ?? Number.POSITIVE_INFINITY
        const storedMs = (await ageOf(path)) ?? 0
        unwanted.push({ digest, idleMs: Math.min(grantedMs, storedMs) })
      }
    }
    let deleted = 0
    for (const one of unwanted.toSorted((a, b) => b.idleMs - a.idleMs)) {
      if (await this.#drop(one)) {
        stored.delete(one.digest)
        deleted += 1
      }
    }
    this.#removed.contents += deleted
    await grants.dropLoose(pools, minAgeMs)
    uses.forgetIdle(minAgeMs)
    await this.#dropBases(Object.keys(pools))
    return { deleted, missing: await this.#missing(pools, stored) }
  }

  /** Asked at the last moment, so that what came into use meanwhile stays. */
  async #drop({ digest, idleMs }: Unwanted): Promise<boolean> {
    const { store, uses, room, minAgeMs, tightAgeMs } = this.#options
    const limitMs = room.isTight ? tightAgeMs : minAgeMs
    if (uses.isHeld(digest) || Math.min(idleMs, uses.idleMs(digest)) < limitMs) {
      return false
    }
    return store.delete(digest)
  }

  /** Of a pool that is there, only while room is scarce: whoever has the base brings it again. */
  async #dropBases(poolKeys: readonly string[]): Promise<void> {
    const { bases, uses, room, baseAgeMs } = this.#options
    const prefixes = new Set(poolKeys.map((key) => baseKeyPrefixOf(key)))
    for (const { key, ageMs } of await bases.list()) {
      const isNeeded = prefixes.has(prefixOfBaseKey(key))
      const isIdle = ageMs >= baseAgeMs && !uses.isHeld(key)
      if (isIdle && (!isNeeded || room.isTight) && (await bases.delete(key))) {
        this.#removed.bases += 1
      }
    }
  }

  async #missing(
    pools: RetainRequest['pools'],
    stored: ReadonlySet<string>,
  ): Promise<RetainAnswer['missing']> {
    const missing: Record<string, readonly string[]> = {}
    for (const [poolKey, digests] of Object.entries(pools)) {
      const granted = await this.#options.grants.of(poolKey)
      const lost = digests.filter((digest) => !granted.has(digest) || !stored.has(digest))
      if (lost.length > 0) {
        missing[poolKey] = lost
      }
    }
    return missing
  }
}

import type { AdapterQuota } from '../api/adapter-quota.ts'
import { parseSize } from './parse-size.ts'
import { sizeText } from './size-text.ts'

/** What one adapter asks of its tenant's quota. */
export interface QuotaClaim {
  /** Of its content, as far as it is known. */
  readonly digest: string | undefined
  /** 0 where nobody knows. */
  readonly sizeBytes: number
  /** The size is that of its present spec; else it has to be fetched before anybody can tell. */
  readonly isMeasured: boolean
  /** 0 for one that is not served. */
  readonly minCopies: number
}

/** What it gets. */
export interface QuotaGrant {
  /** Why nothing of it is served, if so. */
  readonly excess: string | undefined
  /** Of those it asks for. */
  readonly minCopies: number
  /** Why these are fewer, if so. */
  readonly shortage: string | undefined
}

/**
 * Goes through a tenant's adapters, oldest first: each bound is for those before it. The first one whose files do not fit
 * ends it for all younger ones, smaller or not. So nobody who has a place loses it because the quota was raised, or because
 * another one went. One whose size is not known may be fetched, and then they are looked at again.
 */
export function grantQuota(
  quota: AdapterQuota,
  claims: readonly QuotaClaim[],
): readonly QuotaGrant[] {
  const storage = new StorageRoom(quota.storage)
  let copies = quota.reservedCopies
  return claims.map((claim, at) => {
    const excess = at >= quota.count ? countWords(quota.count) : storage.excessOf(claim)
    const minCopies = excess === undefined ? Math.min(claim.minCopies, copies) : 0
    const isShort = excess === undefined && minCopies < claim.minCopies
    const shortage = isShort ? shortageWords(quota, claim.minCopies, copies) : undefined
    copies -= minCopies
    return { excess, minCopies, shortage }
  })
}

class StorageRoom {
  readonly #text: string
  readonly #bytes: number
  readonly #digests = new Set<string>()
  #used = 0
  #isOver = false

  constructor(text: string) {
    this.#text = text
    // The schema lets only sizes through.
    this.#bytes = parseSize(text) ?? 0
  }

  /** Takes the room; words where there is none. */
  excessOf({ digest, sizeBytes, isMeasured }: QuotaClaim): string | undefined {
    const allowed = `adapterQuota.storage of its tenant allows ${this.#text}, and older adapters use ${sizeText(this.#used)}`
    if (this.#isOver) {
      return `${allowed}; one of them that needs more has to find room first. ${remedy}`
    }
    const more = digest !== undefined && this.#digests.has(digest) ? 0 : sizeBytes
    if (this.#used + more > this.#bytes) {
      this.#isOver = true
      return isMeasured ? `${allowed}; this one has ${sizeText(more)}. ${remedy}` : undefined
    }
    this.#used += more
    if (digest !== undefined) {
      this.#digests.add(digest)
    }
    return undefined
  }
}

const remedy = 'Delete adapters, or raise the quota.'

function countWords(count: number): string {
  return `adapterQuota.count of its tenant allows ${count} adapters, and ${count} older ones are there. ${remedy}`
}

function shortageWords({ reservedCopies }: AdapterQuota, asked: number, left: number): string {
  return `residency.minCopies is ${asked}; adapterQuota.reservedCopies of its tenant allows ${reservedCopies}, and older adapters have ${reservedCopies - left} of them.`
}

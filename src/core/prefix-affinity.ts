/** The beginning of a prompt, without a word of it. */
export interface PromptPrefix {
  /** Whose it is: a number for each tenant and adapter, never given twice. What two of them send is never compared (I7). */
  readonly scope: number
  /** Of the first `prefixEnds[0]` bytes, of the first `prefixEnds[1]`, and so on: 32 bits each. */
  readonly hashes: readonly number[]
  /** Bytes of the whole prompt. */
  readonly sizeBytes: number
}

/**
 * Where the hashed parts of a prompt end, in bytes: each half as long again as the one before, so that a few say for prompts of
 * every length how much of them is known, to a third. Shorter ones are not worth a detour; of longer ones the rest is
 * taken to be new.
 */
export const prefixEnds: readonly number[] = [
  512, 768, 1152, 1728, 2592, 3888, 5832, 8748, 13_122, 19_683, 29_525, 44_287, 66_430,
]

/** Entries a replica: some thousand conversations, about what an engine's KV cache holds of them. */
const defaultEntries = 4096

/** Entries among which the oldest goes: few enough to look at each. */
const ways = 4

/**
 * Which beginnings of prompts one engine has read lately, and has in its KV cache as far as anybody outside can tell. A table
 * of fixed size: an entry costs twelve bytes and makes no garbage.
 */
export class PrefixAffinity {
  readonly #sets: number
  readonly #scopes: Uint32Array
  readonly #hashes: Uint32Array
  /** When an entry was last of use; 0: never. */
  readonly #stamps: Uint32Array
  #now = 0

  constructor(entries = defaultEntries) {
    this.#sets = Math.max(1, Math.floor(entries / ways))
    const size = this.#sets * ways
    this.#scopes = new Uint32Array(size)
    this.#hashes = new Uint32Array(size)
    this.#stamps = new Uint32Array(size)
  }

  /** 0–1: how much of the prompt the engine has read before. */
  knownPart({ scope, hashes, sizeBytes }: PromptPrefix): number {
    let known = 0
    for (const [at, hash] of hashes.entries()) {
      if (this.#find(scope, hash) === -1) {
        break
      }
      known = prefixEnds[at] ?? known
    }
    return sizeBytes === 0 ? 0 : Math.min(1, known / sizeBytes)
  }

  /** It goes there now. */
  note({ scope, hashes }: PromptPrefix): void {
    this.#now += 1
    for (const hash of hashes) {
      const at = this.#find(scope, hash)
      this.#write(at === -1 ? this.#oldest(scope, hash) : at, scope, hash)
    }
  }

  #write(at: number, scope: number, hash: number): void {
    this.#scopes[at] = scope
    this.#hashes[at] = hash
    this.#stamps[at] = this.#now
  }

  #find(scope: number, hash: number): number {
    const first = this.#firstOf(scope, hash)
    for (let at = first; at < first + ways; at += 1) {
      if (this.#hashes[at] === hash && this.#scopes[at] === scope && this.#stamps[at] !== 0) {
        return at
      }
    }
    return -1
  }

  #oldest(scope: number, hash: number): number {
    const first = this.#firstOf(scope, hash)
    let oldest = first
    for (let at = first + 1; at < first + ways; at += 1) {
      if ((this.#stamps[at] ?? 0) < (this.#stamps[oldest] ?? 0)) {
        oldest = at
      }
    }
    return oldest
  }

  #firstOf(scope: number, hash: number): number {
    return (((hash ^ Math.imul(scope, 0x9e3779b1)) >>> 0) % this.#sets) * ways
  }
}

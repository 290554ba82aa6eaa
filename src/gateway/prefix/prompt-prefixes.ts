import { randomInt } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { prefixEnds, type PromptPrefix } from '../../core/prefix-affinity.ts'
import type { InferenceRequest } from '../request/inference-request.ts'

/** Tenants and adapters that are remembered; whoever was silent longest is somebody new when it comes back. */
const maxScopes = 16_384

/**
 * Reduces prompts to what tells whether an engine has read their beginning: hashes that hold nothing else of them (I14), begun with
 * a secret of this process, apart for each tenant and adapter (I7). Engines key their KV cache alike: by `cache_salt` and adapter.
 */
export class PromptPrefixes {
  readonly #secret = randomInt(2 ** 32)
  readonly #scopes = new Map<string, number>()
  #lastScope = 0

  /** Undefined where it is too short to matter, or where nothing is generated from it. */
  of(
    tenant: string,
    revision: string | undefined,
    request: InferenceRequest,
  ): PromptPrefix | undefined {
    const [least = 0] = prefixEnds
    if (request.measure.answers === 0 || request.sizeBytes < least) {
      return undefined
    }
    const scope = this.#scopeOf(`${tenant} ${revision ?? ''}`)
    const hashes: number[] = []
    let hash = crc32(`${scope}`, this.#secret)
    let sizeBytes = 0
    request.eachPrompt((bytes) => {
      let from = 0
      for (
        let end = prefixEnds[hashes.length];
        end !== undefined && end <= sizeBytes + bytes.length;
        end = prefixEnds[hashes.length]
      ) {
        const to = end - sizeBytes
        hash = crc32(bytes.subarray(from, to), hash)
        hashes.push(hash)
        from = to
      }
      hash = hashes.length < prefixEnds.length ? crc32(bytes.subarray(from), hash) : hash
      sizeBytes += bytes.length
    })
    return hashes.length === 0 ? undefined : { scope, hashes, sizeBytes }
  }

  #scopeOf(name: string): number {
    let scope = this.#scopes.get(name)
    if (scope === undefined) {
      this.#lastScope += 1
      scope = this.#lastScope
    } else {
      this.#scopes.delete(name)
    }
    this.#scopes.set(name, scope)
    const [oldest] = this.#scopes.size > maxScopes ? this.#scopes.keys() : []
    if (oldest !== undefined) {
      this.#scopes.delete(oldest)
    }
    return scope
  }
}

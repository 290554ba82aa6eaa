import { Lru } from '../../lru.ts'
import type { LabReplica } from '../lab-replica.ts'
import type { LabRequest } from '../lab-request.ts'

/** What a router believes to be cached where: what it sent there, the latest kept. Keys hold the adapter. */
export class PrefixIndex {
  readonly #capacity: number
  readonly #sent = new Map<number, Lru<string, true>>()

  /** @param capacity blocks a replica; llm-d-router's default is 31,250 */
  constructor(capacity = 31_250) {
    this.#capacity = capacity
  }

  /** 0–1: the part of the prompt's blocks that was sent there before. */
  matchOf(request: LabRequest, replica: LabReplica): number {
    const { blocks } = request
    const sent = this.#sent.get(replica.index)
    if (blocks.length === 0 || sent === undefined) {
      return 0
    }
    let matched = 0
    for (const block of blocks) {
      if (sent.peek(keyOf(request, block)) === undefined) {
        break
      }
      matched += 1
    }
    return matched / blocks.length
  }

  note(request: LabRequest, replica: LabReplica): void {
    const sent = this.#sent.get(replica.index) ?? new Lru<string, true>(this.#capacity)
    this.#sent.set(replica.index, sent)
    for (const block of request.blocks) {
      sent.set(keyOf(request, block), true)
    }
  }
}

function keyOf({ adapter }: LabRequest, block: number): string {
  return `${adapter?.id ?? 0}/${block}`
}

import { Lru } from '../../lru.ts'
import type { LabReplica } from '../lab-replica.ts'
import type { LabRequest } from '../lab-request.ts'

/** What a router believes to be cached where: what it sent there, the latest kept. A request's blocks hold its adapter. */
export class PrefixIndex {
  readonly #capacity: number
  /** Blocks by replica, each with how often it was sent there. */
  readonly #sent = new Map<number, Lru<number, number>>()

  /** @param capacity blocks a replica; llm-d-router's default is 31,250 */
  constructor(capacity = 31_250) {
    this.#capacity = capacity
  }

  /** Leading blocks of the prompt that were sent there before. */
  matchedBlocks({ blocks }: LabRequest, replica: LabReplica): number {
    const sent = this.#sent.get(replica.index)
    if (sent === undefined) {
      return 0
    }
    let matched = 0
    for (const block of blocks) {
      if (sent.peek(block) === undefined) {
        break
      }
      matched += 1
    }
    return matched
  }

  /** 0–1: the part of the prompt's blocks that was sent there before. */
  matchOf(request: LabRequest, replica: LabReplica): number {
    const { length } = request.blocks
    return length === 0 ? 0 : this.matchedBlocks(request, replica) / length
  }

  note({ blocks }: LabRequest, replica: LabReplica): void {
    const sent = this.#sent.get(replica.index) ?? new Lru<number, number>(this.#capacity)
    this.#sent.set(replica.index, sent)
    for (const block of blocks) {
      sent.set(block, (sent.peek(block) ?? 0) + 1)
    }
  }

  /** How often the blocks were used again that `count` new ones would push out there. */
  reusesLost(replica: LabReplica, count: number): number {
    const sent = this.#sent.get(replica.index)
    let left = sent === undefined ? 0 : sent.size + count - this.#capacity
    let lost = 0
    for (const uses of left > 0 && sent !== undefined ? sent.values() : []) {
      if (left <= 0) {
        break
      }
      left -= 1
      lost += uses - 1
    }
    return lost
  }
}

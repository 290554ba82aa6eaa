import { describe, expect, it } from 'vitest'
import { aFleet, aRequest } from '../../../../test/support/lab-fleet.ts'
import type { LabReplica } from '../lab-replica.ts'
import { PrefixIndex } from './prefix-index.ts'

function twoReplicas(): readonly [LabReplica, LabReplica] {
  const [first, second] = aFleet(2)
  if (first === undefined || second === undefined) {
    throw new Error('no fleet')
  }
  return [first, second]
}

describe('a prefix index', () => {
  it('matches leading blocks that went to this replica, of this adapter', () => {
    const [first, second] = twoReplicas()
    const index = new PrefixIndex()
    index.note(aRequest({ blocks: [1, 2, 3, 4] }), first)
    const asked = aRequest({ blocks: [1, 2, 9, 4] })
    expect(index.matchedBlocks(asked, first)).toBe(2)
    expect(index.matchOf(asked, first)).toBe(0.5)
    expect(index.matchOf(asked, second)).toBe(0)
    expect(index.matchOf(aRequest({ adapter: 2, blocks: [1, 2, 9, 4] }), first)).toBe(0)
    expect(index.matchOf(aRequest(), first)).toBe(0)
  })

  it('keeps the latest blocks', () => {
    const [first] = twoReplicas()
    const index = new PrefixIndex(2)
    index.note(aRequest({ blocks: [1, 2, 3] }), first)
    expect(index.matchedBlocks(aRequest({ blocks: [1] }), first)).toBe(0)
    expect(index.matchedBlocks(aRequest({ blocks: [2, 3] }), first)).toBe(2)
  })

  it('counts the reuses of what new blocks would push out, the oldest first', () => {
    const [first, second] = twoReplicas()
    const index = new PrefixIndex(3)
    index.note(aRequest({ blocks: [1] }), first)
    index.note(aRequest({ blocks: [1] }), first)
    index.note(aRequest({ blocks: [1] }), first)
    index.note(aRequest({ blocks: [2] }), first)
    expect(index.reusesLost(first, 1)).toBe(0)
    expect(index.reusesLost(first, 2)).toBe(2)
    expect(index.reusesLost(second, 100)).toBe(0)
  })
})

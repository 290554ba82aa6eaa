import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { WaitingQueue, type Waiting } from './waiting-queue.ts'

const waiting = (line: number): Waiting => ({ line, order: 0 })

describe('the queue of an engine', () => {
  it('gives the first of the lines that may run, the base always', () => {
    const queue = new WaitingQueue<Waiting>()
    const [blocked, allowed, base] = [waiting(1), waiting(2), waiting(0)]
    for (const one of [blocked, allowed, base]) {
      queue.add(one)
    }
    expect(queue.first()).toBe(blocked)
    expect(queue.firstOf(new Map([[2, true]]))).toBe(allowed)
    expect(queue.firstOf(new Map())).toBe(base)
    expect(queue.firstOf(new Map([[3, true]]))).toBe(base)
  })

  it('has who was put back before everybody else', () => {
    const queue = new WaitingQueue<Waiting>()
    const [early, late, back] = [waiting(1), waiting(2), waiting(1)]
    queue.add(early)
    queue.add(late)
    queue.putBack(back)
    expect(queue.all).toEqual([back, early, late])
    expect(queue.first()).toBe(back)
  })

  it('counts and orders as one plain list would', () => {
    const doings = fc.array(fc.tuple(fc.constantFrom('add', 'back', 'drop'), fc.nat(4)))
    fc.assert(
      fc.property(doings, fc.nat(6), (doing, at) => {
        const queue = new WaitingQueue<Waiting>()
        const plain: Waiting[] = []
        for (const [what, line] of doing) {
          const one = waiting(line)
          if (what === 'add') {
            queue.add(one)
            plain.push(one)
          } else if (what === 'back') {
            queue.putBack(one)
            plain.unshift(one)
          } else {
            const [dropped] = plain.splice(line, 1)
            expect(dropped === undefined || queue.remove(dropped)).toBe(true)
          }
        }
        expect(queue.all).toEqual(plain)
        expect(queue.length).toBe(plain.length)
        const order = plain[at]?.order ?? queue.nextOrder
        const before = plain.filter((one) => one.order < order && one.line > 1)
        expect(queue.countBefore(order, (line) => line > 1)).toBe(before.length)
      }),
    )
  })
})

import { expect, test } from 'vitest'
import { FairTurnstile } from './fair-turnstile.ts'

const never = new AbortController().signal

/** Enters by name and stays until it is told to leave. */
function visitors(turnstile: FairTurnstile) {
  const order: string[] = []
  const inside = new Map<string, () => void>()
  const enter = (name: string, signal = never) =>
    turnstile.pass(
      name.slice(0, 1),
      () => {
        order.push(name)
        return new Promise<void>((resolve) => inside.set(name, resolve))
      },
      signal,
    )
  const leave = async (name: string, left: Promise<void> | undefined) => {
    inside.get(name)?.()
    await left
  }
  return { order, enter, leave }
}

test('lets in no more than it has places, in order, and nobody who went away', async () => {
  const turnstile = new FairTurnstile(1)
  const { order, enter, leave } = visitors(turnstile)
  const gone = new AbortController()
  const first = enter('a1')
  const second = enter('a2', gone.signal)
  const third = enter('a3')
  expect(turnstile.waiting).toBe(2)
  const left = expect(second).rejects.toThrow('aborted')
  gone.abort()
  await left
  expect(order).toEqual(['a1'])
  expect([turnstile.inside, turnstile.waiting]).toEqual([1, 1])
  await leave('a1', first)
  expect(order).toEqual(['a1', 'a3'])
  await expect(enter('a4', gone.signal)).rejects.toThrow('aborted')
  await leave('a3', third)
  expect([turnstile.inside, turnstile.waiting]).toEqual([0, 0])
  const fifth = enter('a5')
  await Promise.resolve()
  await leave('a5', fifth)
  expect(order).toEqual(['a1', 'a3', 'a5'])
})

test('a group has half of the places at most, so that each other one finds a place at once', async () => {
  const turnstile = new FairTurnstile(8)
  const { order, enter } = visitors(turnstile)
  for (let number = 1; number <= 20; number += 1) {
    void enter(`a${number}`)
  }
  await Promise.resolve()
  expect(order).toEqual(['a1', 'a2', 'a3', 'a4'])
  for (const name of ['b1', 'b2', 'b3', 'c1', 'c2', 'd1']) {
    void enter(name)
  }
  await Promise.resolve()
  expect(order.slice(4)).toEqual(['b1', 'b2', 'c1', 'd1'])
  expect([turnstile.inside, turnstile.waiting]).toEqual([8, 18])
})

test('a place that becomes free goes by turns, however long the line of one group is', async () => {
  const { order, enter, leave } = visitors(new FairTurnstile(1))
  const all = new Map(['a1', 'a2', 'a3', 'a4', 'b1', 'b2', 'c1'].map((name) => [name, enter(name)]))
  for (let index = 0; index < all.size; index += 1) {
    await Promise.resolve()
    const name = order[index] ?? ''
    await leave(name, all.get(name))
  }
  expect(order).toEqual(['a1', 'a2', 'b1', 'c1', 'a3', 'b2', 'a4'])
})

test('lets groups of one each in as they came, and nobody who went away', async () => {
  const turnstile = new FairTurnstile(1)
  const first = Promise.withResolvers<void>()
  const order: string[] = []
  const gone = new AbortController()
  const enter = (name: string, signal: AbortSignal, until = Promise.resolve()) =>
    turnstile.pass(
      name,
      async () => {
        order.push(name)
        await until
      },
      signal,
    )
  const all = [enter('a', never, first.promise), enter('b', gone.signal), enter('c', never)]
  const left = expect(all[1]).rejects.toThrow('aborted')
  gone.abort()
  await left
  expect(order).toEqual(['a'])
  expect(turnstile.inside).toBe(1)
  first.resolve()
  await Promise.all([all[0], all[2]])
  expect(order).toEqual(['a', 'c'])
  await expect(enter('d', gone.signal)).rejects.toThrow('aborted')
  await enter('e', never)
  expect(order).toEqual(['a', 'c', 'e'])
  expect(turnstile.inside).toBe(0)
})

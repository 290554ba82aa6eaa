import { expect, test } from 'vitest'
import { Turnstile } from './turnstile.ts'

const never = new AbortController().signal

test('lets in no more than it has places, in order, and nobody who went away', async () => {
  const turnstile = new Turnstile(1)
  const first = Promise.withResolvers<void>()
  const order: string[] = []
  const gone = new AbortController()
  const enter = (name: string, signal: AbortSignal, until = Promise.resolve()) =>
    turnstile.pass(async () => {
      order.push(name)
      await until
    }, signal)
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

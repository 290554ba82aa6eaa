import { expect, test } from 'vitest'
import { JsonTurns } from './json-turns.ts'

const large = Buffer.from(
  JSON.stringify({ list: Array.from({ length: 30_000 }, () => ({ a: 1 })) }),
)

test('a small body does not wait for a large one, and each gets what it says', async () => {
  const turns = new JsonTurns()
  const ended: string[] = []
  const read = (name: string, body: Buffer): Promise<unknown> =>
    new Promise((resolve) => {
      turns.read(body, (error, json) => {
        ended.push(name)
        resolve(error ?? json?.value)
      })
    })
  const answers = await Promise.all([
    read('large', large),
    read('small', Buffer.from('{"b":2}')),
    read('broken', Buffer.from('{"b":')),
  ])
  expect(ended.at(-1)).toBe('large')
  expect(answers[0]).toEqual(JSON.parse(large.toString()))
  expect(answers[1]).toEqual({ b: 2 })
  expect(answers[2]).toMatchObject({ code: 'invalid_json' })
})

import { beforeEach, expect, test } from 'vitest'
import { aWork } from '../../../test/support/a-work.ts'
import { UnreadPrompts } from './unread-prompts.ts'

let prompts: UnreadPrompts
beforeEach(() => {
  prompts = new UnreadPrompts()
})

function add(...tokens: readonly number[]) {
  return tokens.map((promptTokens) => {
    const work = aWork(undefined, { promptTokens })
    prompts.add(work)
    return work
  })
}

test('a first token tells that all prompts before it were read', () => {
  const [, second, third] = add(10, 20, 40)
  expect(prompts.tokens).toBe(70)
  prompts.read(second ?? aWork(undefined))
  expect(prompts.tokens).toBe(40)
  prompts.read(third ?? aWork(undefined))
  expect(prompts.tokens).toBe(0)
})

test('one that ended unread is counted no more, and those before it still are', () => {
  const [first, second] = add(10, 20)
  prompts.drop(second ?? aWork(undefined))
  expect(prompts.tokens).toBe(10)
  prompts.drop(first ?? aWork(undefined))
  prompts.drop(first ?? aWork(undefined))
  expect(prompts.tokens).toBe(0)
})

test('nothing is lost over thousands, whatever becomes of them', () => {
  let expected = 0
  const open: ReturnType<typeof add> = []
  for (let round = 0; round < 5000; round += 1) {
    const [work] = add(1 + (round % 7))
    if (work !== undefined) {
      open.push(work)
      expected += work.promptTokens
    }
    const oldest = open.length > 40 ? open.shift() : undefined
    if (oldest !== undefined) {
      expected -= oldest.isRead ? 0 : oldest.promptTokens
      if (round % 3 === 0) {
        prompts.drop(oldest)
      } else {
        prompts.read(oldest)
      }
    }
    expect(prompts.tokens).toBe(expected)
  }
})

test('where nobody ever has a first token, what is done with goes when those before it have ended', () => {
  const [open] = add(1)
  for (let round = 0; round < 1000; round += 1) {
    add(1, 2).forEach((work) => prompts.drop(work))
  }
  expect([prompts.kept, prompts.tokens]).toEqual([2001, 1])
  prompts.drop(open ?? aWork(undefined))
  expect([prompts.kept, prompts.tokens]).toEqual([0, 0])
})

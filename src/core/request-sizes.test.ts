import { describe, expect, test } from 'vitest'
import { RequestSizes } from './request-sizes.ts'

const acme = { revision: 'a', tenant: 'acme' }
const globex = { revision: 'a', tenant: 'globex' }

describe('an answer is expected to be', () => {
  test('of no length before there was one', () => {
    expect(new RequestSizes().outputTokens(acme)).toBe(0)
  })

  test('as long as this adapter’s were for this tenant, and for a newcomer as the pool’s were', () => {
    const sizes = new RequestSizes()
    sizes.note(acme, 400, 100, 10)
    sizes.note(acme, 400, 100, 20)
    sizes.note(globex, 400, 100, 300)
    expect(sizes.outputTokens(acme)).toBeCloseTo(15)
    expect(sizes.outputTokens(globex)).toBeCloseTo(300)
    expect(sizes.outputTokens({ revision: undefined, tenant: 'acme' })).toBeCloseTo(110)
  })

  test('as they are lately, whatever they were before', () => {
    const sizes = new RequestSizes()
    for (let at = 0; at < 100; at += 1) {
      sizes.note(acme, 400, 100, at < 50 ? 1000 : 10)
    }
    expect(sizes.outputTokens(acme)).toBeLessThan(20)
  })
})

test('a prompt has as many tokens a byte as engines counted', () => {
  const sizes = new RequestSizes()
  expect(sizes.promptTokens(400)).toBe(100)
  sizes.note(acme, 1000, 500, 1)
  expect(sizes.promptTokens(400)).toBe(200)
})

test('means are bounded in number, and those in use are kept', () => {
  const sizes = new RequestSizes()
  sizes.note(globex, 1, 1, 7)
  sizes.note(acme, 1, 1, 9)
  for (let at = 0; at < 20_000; at += 1) {
    sizes.note({ revision: `r${at}`, tenant: 't' }, 1, 1, 50)
    if (at % 1000 === 0) {
      sizes.note(globex, 1, 1, 7)
    }
  }
  expect(sizes.outputTokens(globex)).toBeCloseTo(7)
  expect(sizes.outputTokens(acme)).toBeGreaterThan(40)
})

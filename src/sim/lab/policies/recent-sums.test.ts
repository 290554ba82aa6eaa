import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { RecentSums } from './recent-sums.ts'

it('has what was added in the window, no more and no less', () => {
  const entry = fc.record({
    key: fc.constantFrom('a', 'b', 'c'),
    amount: fc.integer({ min: 1, max: 100 }),
    gapMs: fc.integer({ min: 0, max: 40 }),
  })
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 200 }), (entries) => {
      const sums = new RecentSums(100)
      const all: { readonly key: string; readonly amount: number; readonly atMs: number }[] = []
      let nowMs = 0
      for (const { key, amount, gapMs } of entries) {
        nowMs += gapMs
        sums.add(key, amount, nowMs)
        all.push({ key, amount, atMs: nowMs })
        const wanted = new Map<string, number>()
        for (const each of all.filter(({ atMs }) => atMs >= nowMs - 100)) {
          wanted.set(each.key, (wanted.get(each.key) ?? 0) + each.amount)
        }
        expect(Object.fromEntries(sums.sums(nowMs))).toEqual(Object.fromEntries(wanted))
      }
    }),
  )
})

it('drops what is long past, and still sums the rest', () => {
  const sums = new RecentSums(10)
  for (let atMs = 0; atMs < 5000; atMs += 1) {
    sums.add('a', 1, atMs)
    sums.sums(atMs)
  }
  expect(sums.sums(4999).get('a')).toBe(11)
})

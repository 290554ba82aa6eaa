import { expect, test } from 'vitest'
import { capsOfUser } from '../../core/terms.ts'
import { WindowCache } from '../../core/window-cache.ts'
import { LedgerBook } from '../../ledger/book.ts'
import { linesOf } from './attempt-use.ts'
import { UserBuckets } from './user-buckets.ts'

const minuteMs = 60_000
const startMs = Date.UTC(2026, 10, 21, 12)
const use = { requests: 1, tokens: 10, nanos: 0 }
const limits = { requestsPerMinute: 5, tokensPerDay: 1000, concurrentRequests: 2 }

/** So many users of a tenant, one request each, all within a minute; answers the counters there are then. */
function served(book: LedgerBook, buckets: UserBuckets, users: number, nowMs: number): number {
  const windows = new WindowCache()
  for (let at = 0; at < users; at += 1) {
    const bucket = buckets.bucketOf('acme', `${(at * 7919) % 61}-user ${at}`, limits, nowMs)
    const lines = linesOf(capsOfUser('acme', bucket, limits), use, windows, nowMs)
    const id = `${nowMs}-${at}`
    if (book.try({ id, lines, expiresInMs: 1_000 }, nowMs).outcome === 'Granted') {
      book.settle(id, { used: [1, 10, 1], exactness: 'Exact' }, nowMs)
    }
  }
  return [...book.counters()].length
}

test('100,000 users of one tenant are counters without end neither within their windows nor after', () => {
  const book = new LedgerBook()
  const buckets = new UserBuckets(new WindowCache())
  const most = 2 * (20_000 + 64)
  expect(served(book, buckets, 100_000, startMs)).toBeLessThanOrEqual(most)
  book.tick(startMs + 2 * minuteMs)
  expect([...book.counters()].length).toBeLessThanOrEqual(most / 2)
  // The same ones again keep what is their own; no more come.
  expect(served(book, buckets, 25_000, startMs + 3 * minuteMs)).toBeLessThanOrEqual(most)
  book.tick(Date.UTC(2026, 10, 22) + minuteMs)
  expect([...book.counters()]).toEqual([])
  expect(served(book, buckets, 30_000, Date.UTC(2026, 10, 22, 1))).toBeGreaterThan(2 * 20_000)
})

test('who is known keeps its counter, whoever comes; other tenants are not concerned', () => {
  const buckets = new UserBuckets(new WindowCache())
  const bucketOf = (tenant: string, user: string) => buckets.bucketOf(tenant, user, limits, startMs)
  expect(bucketOf('acme', 'ann')).toBe('ann')
  for (let at = 0; at < 30_000; at += 1) {
    bucketOf('acme', `user ${at}`)
  }
  expect(bucketOf('acme', 'bob')).toBe('others-b')
  expect(bucketOf('acme', 'ann')).toBe('ann')
  expect(bucketOf('acme', '')).toBe('')
  expect(bucketOf('globex', 'bob')).toBe('bob')
})

test('limits without a window leave nothing behind', () => {
  const buckets = new UserBuckets(new WindowCache())
  for (let at = 0; at < 30_000; at += 1) {
    const user = `user ${at}`
    expect(buckets.bucketOf('acme', user, { concurrentRequests: 1 }, startMs)).toBe(user)
  }
})

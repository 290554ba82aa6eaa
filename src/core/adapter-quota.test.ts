import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { adapterQuota, type AdapterQuota } from '../api/adapter-quota.ts'
import { grantQuota, type QuotaClaim, type QuotaGrant } from './adapter-quota.ts'
import { parseSize } from './parse-size.ts'

const quota = (fields: Partial<AdapterQuota> = {}): AdapterQuota => adapterQuota.parse(fields)

const claim = (sizeBytes: number, more: Partial<QuotaClaim> = {}): QuotaClaim => ({
  digest: undefined,
  sizeBytes,
  isMeasured: true,
  minCopies: 1,
  ...more,
})

const places = (grants: readonly QuotaGrant[]): string =>
  grants.map(({ excess }) => (excess === undefined ? 'in' : 'out')).join(' ')

describe('a quota', () => {
  test.each([
    ['lets so many in', { count: 2 }, [claim(1), claim(1), claim(1)], 'in in out'],
    ['of none lets none in', { count: 0 }, [claim(0)], 'out'],
    ['lets in what just fits', { storage: '2k' }, [claim(1000), claim(1000)], 'in in'],
    [
      'keeps out all younger ones of the first that does not fit',
      { storage: '1k' },
      [claim(600), claim(600), claim(1)],
      'in out out',
    ],
    [
      'counts content that several have once',
      { storage: '1k' },
      [claim(600, { digest: 'a' }), claim(600, { digest: 'a' }), claim(400, { digest: 'b' })],
      'in in in',
    ],
    [
      'lets one be fetched whose size is not known, and younger ones wait for it',
      { storage: '1k' },
      [claim(600), claim(600, { isMeasured: false }), claim(1)],
      'in in out',
    ],
    [
      'has no room in storage taken by one that is beyond its count',
      { count: 1, storage: '1k' },
      [claim(600), claim(600)],
      'in out',
    ],
  ] as const)('%s', (_sentence, fields, claims, want) => {
    expect(places(grantQuota(quota(fields), claims))).toBe(want)
  })

  test('says which bound it is, what is allowed and what is used', () => {
    const words = (fields: Partial<AdapterQuota>, ...claims: readonly QuotaClaim[]) =>
      grantQuota(quota(fields), claims).map(({ excess, shortage }) => excess ?? shortage)
    expect(words({ count: 1 }, claim(1), claim(1))).toEqual([
      undefined,
      'adapterQuota.count of its tenant allows 1 adapters, and 1 older ones are there. Delete adapters, or raise the quota.',
    ])
    const gi = 1024 ** 3
    expect(words({ storage: '2Gi' }, claim(1.5 * gi), claim(0.75 * gi), claim(1))).toEqual([
      undefined,
      'adapterQuota.storage of its tenant allows 2Gi, and older adapters use 1.5Gi; this one has 768Mi. Delete adapters, or raise the quota.',
      'adapterQuota.storage of its tenant allows 2Gi, and older adapters use 1.5Gi; one of them that needs more has to find room first. Delete adapters, or raise the quota.',
    ])
    expect(
      words({ reservedCopies: 3 }, claim(1, { minCopies: 2 }), claim(1, { minCopies: 4 })),
    ).toEqual([
      undefined,
      'residency.minCopies is 4; adapterQuota.reservedCopies of its tenant allows 3, and older adapters have 2 of them.',
    ])
  })

  test('reserves copies for the oldest; what is left is for the next, and then nothing', () => {
    const asks = [2, 4, 0, 1].map((minCopies) => claim(1, { minCopies }))
    const grants = grantQuota(quota({ reservedCopies: 5 }), asks)
    expect(grants.map(({ minCopies }) => minCopies)).toEqual([2, 3, 0, 0])
    expect(grants.map(({ shortage }) => shortage !== undefined)).toEqual([false, true, false, true])
  })
})

/** Equal content has one size. */
const contents = fc.oneof(
  fc.constantFrom(
    { digest: 'a', sizeBytes: 5 },
    { digest: 'b', sizeBytes: 20 },
    { digest: 'c', sizeBytes: 35 },
  ),
  fc.record({ digest: fc.constant(undefined), sizeBytes: fc.nat({ max: 40 }) }),
)
const claims = fc.array(
  fc
    .record({ content: contents, isMeasured: fc.boolean(), minCopies: fc.nat({ max: 3 }) })
    .map(({ content, ...rest }): QuotaClaim => ({ ...content, ...rest })),
  { maxLength: 12 },
)
const bounds = fc.record({
  count: fc.nat({ max: 12 }),
  reservedCopies: fc.nat({ max: 12 }),
  storage: fc.nat({ max: 150 }).map(String),
})

/** Nobody has less than before. */
function expectNoLess(after: readonly QuotaGrant[], before: readonly QuotaGrant[]): void {
  for (const [at, { excess, minCopies }] of before.entries()) {
    const now = after[at]
    expect(excess === undefined && now?.excess !== undefined, `place ${at}`).toBe(false)
    expect(now?.minCopies, `copies ${at}`).toBeGreaterThanOrEqual(minCopies)
  }
}

describe('whatever is asked for', () => {
  test('what is granted stays within each bound', () => {
    fc.assert(
      fc.property(bounds, claims, (fields, asked) => {
        const grants = grantQuota(quota(fields), asked)
        const granted = asked.filter((_, at) => grants[at]?.excess === undefined)
        expect(granted.length).toBeLessThanOrEqual(fields.count)
        const copies = grants.reduce((sum, { minCopies }) => sum + minCopies, 0)
        expect(copies).toBeLessThanOrEqual(fields.reservedCopies)
        // The first of a content brings its bytes.
        const measured = granted.filter(({ isMeasured }) => isMeasured)
        const bytes = measured
          .filter(
            ({ digest }, at) =>
              digest === undefined || measured.findIndex((one) => one.digest === digest) === at,
          )
          .reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
        expect(bytes).toBeLessThanOrEqual(parseSize(fields.storage) ?? 0)
      }),
    )
  })

  test('a higher quota takes nothing from anybody', () => {
    fc.assert(
      fc.property(bounds, bounds, claims, (low, more, asked) => {
        const high = {
          count: low.count + more.count,
          reservedCopies: low.reservedCopies + more.reservedCopies,
          storage: String(Number(low.storage) + Number(more.storage)),
        }
        const before = grantQuota(quota(low), asked)
        // One that gets in takes copies that younger ones had: copies are compared where the others did not change.
        const after = grantQuota(quota({ ...low, reservedCopies: high.reservedCopies }), asked)
        expectNoLess(after, before)
        const places = grantQuota(quota(high), asked)
        for (const [at, { excess }] of before.entries()) {
          expect(excess === undefined && places[at]?.excess !== undefined).toBe(false)
        }
      }),
    )
  })

  test('one that goes takes nothing from the others', () => {
    fc.assert(
      fc.property(bounds, claims, fc.nat(), (fields, asked, which) => {
        const gone = which % Math.max(1, asked.length)
        const without = <T>(all: readonly T[]) => all.filter((_, at) => at !== gone)
        const before = without(grantQuota(quota(fields), asked))
        const after = grantQuota(quota(fields), without(asked))
        for (const [at, { excess }] of before.entries()) {
          expect(excess === undefined && after[at]?.excess !== undefined).toBe(false)
        }
      }),
    )
  })

  test('a younger one changes nothing for the older ones', () => {
    fc.assert(
      fc.property(bounds, claims, (fields, asked) => {
        const all = grantQuota(quota(fields), asked)
        for (const [at] of asked.entries()) {
          expect(grantQuota(quota(fields), asked.slice(0, at))).toEqual(all.slice(0, at))
        }
      }),
    )
  })
})

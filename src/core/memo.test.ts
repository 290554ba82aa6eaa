import { describe, expect, test, vi } from 'vitest'
import {
  aKey,
  anAdapter,
  anAdapterStatus,
  aPool,
  aSnapshot,
  aTenant,
  sha256,
  secretOf,
} from '../../test/support/builders.ts'
import { Memo } from './memo.ts'
import { buildRoutingTable } from './resolve.ts'

describe('what was worked out before', () => {
  test('is taken over while all its parts are the same values, and not longer', () => {
    const memo = new Memo()
    const make = vi.fn(() => ({}))
    const [a, b] = [{}, {}]
    memo.begin()
    const first = memo.recall('x', [a], make)
    memo.begin()
    expect(memo.recall('x', [a], make)).toBe(first)
    memo.begin()
    expect(memo.recall('x', [b], make)).not.toBe(first)
    memo.begin()
    expect(memo.recall('x', [b, a], make)).not.toBe(first)
    expect(make).toHaveBeenCalledTimes(3)
  })

  test('is forgotten when a turn did not ask for it', () => {
    const memo = new Memo()
    const part = {}
    memo.begin()
    const first = memo.recall('x', [part], () => ({}))
    memo.begin()
    memo.begin()
    expect(memo.recall('x', [part], () => ({}))).not.toBe(first)
  })
})

describe('a routing table built with the memory of the one before', () => {
  const base = [
    aPool('llama'),
    aTenant('acme'),
    aTenant('globex').withModels({ shared: 'LoraAdapter acme/tickets' }),
    aKey('a').in('acme'),
    aKey('g').in('globex'),
  ]
  const rest = [anAdapter('tickets').in('acme'), anAdapter('shout').in('globex')]
  const ready = (...keys: readonly string[]) =>
    new Map(keys.map((key) => [key, anAdapterStatus({ active: `revision of ${key}` })]))
  const acme = sha256(secretOf('a'))
  const globex = sha256(secretOf('g'))

  test.each([
    ['a status changes', base, rest, ready('acme/tickets')],
    ['an adapter goes', base, rest.slice(1), ready('acme/tickets', 'globex/shout')],
    ['a key goes', base.slice(0, -1), rest, ready('acme/tickets', 'globex/shout')],
    [
      'a key is revoked',
      [...base.slice(0, -1), aKey('g').in('globex').revoked()],
      rest,
      ready('acme/tickets', 'globex/shout'),
    ],
    [
      'the pool changes',
      [aPool('llama').withSlots(2), ...base.slice(1)],
      rest,
      ready('acme/tickets', 'globex/shout'),
    ],
    ['the pool goes', base.slice(1), rest, ready('acme/tickets', 'globex/shout')],
    [
      'an older tenant claims the namespace',
      [...base, aTenant('initech').claiming('globex').createdAt(1)],
      rest,
      ready('acme/tickets', 'globex/shout'),
    ],
  ])('is as one built afresh when %s', (_words, objects, adapters, statuses) => {
    const memo = new Memo()
    const before = aSnapshot([...base, ...rest])
    const was = ready('acme/tickets', 'globex/shout')
    buildRoutingTable({ snapshot: before, statusOf: (key) => was.get(key) }, memo)
    const input = {
      snapshot: aSnapshot([...objects, ...adapters]),
      statusOf: (key: string) => statuses.get(key),
    }
    expect(buildRoutingTable(input, memo)).toEqual(buildRoutingTable(input))
  })

  test('looks at no status while nobody says that one changed', () => {
    const memo = new Memo()
    const snapshot = aSnapshot([...base, ...rest])
    const was = ready('acme/tickets', 'globex/shout')
    const statusOf = vi.fn((key: string) => was.get(key))
    const statuses = {}
    const first = buildRoutingTable({ snapshot, statusOf, statuses }, memo)
    const looks = statusOf.mock.calls.length
    const revoked = aSnapshot([aKey('a').in('acme').revoked()]).keys
    const keys = new Map([...snapshot.keys, ...revoked])
    const second = buildRoutingTable({ snapshot: { ...snapshot, keys }, statusOf, statuses }, memo)
    expect(statusOf.mock.calls.length).toBe(looks)
    expect(second.callers.get(acme)?.revoked).toBe(true)
    expect(second.callers.get(acme)?.targets).toBe(first.callers.get(acme)?.targets)
    was.set('acme/tickets', anAdapterStatus({ active: 'newer' }))
    const third = buildRoutingTable({ snapshot, statusOf, statuses: {} }, memo)
    expect(third.callers.get(acme)?.targets.get('tickets')?.revision).toBe('newer')
  })

  test('keeps the callers that a change does not touch, and renews those it does', () => {
    const memo = new Memo()
    const snapshot = aSnapshot([...base, ...rest])
    const statuses = ready('acme/tickets', 'globex/shout')
    const build = () => buildRoutingTable({ snapshot, statusOf: (key) => statuses.get(key) }, memo)
    const first = build()
    statuses.set('globex/shout', anAdapterStatus({ active: 'another' }))
    const second = build()
    expect(second.callers.get(acme)).toBe(first.callers.get(acme))
    expect(second.callers.get(globex)?.targets.get('shout')?.revision).toBe('another')
    statuses.set('acme/tickets', anAdapterStatus({ active: 'newer' }))
    // Shared with globex, so both follow.
    expect(build().callers.get(globex)?.targets.get('shared')?.revision).toBe('newer')
  })
})

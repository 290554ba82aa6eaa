import { describe, expect, test } from 'vitest'
import { workOf } from './copies-plan.ts'
import { Homes } from './homes.ts'

const replicas = ['a', 'b', 'c', 'd'].map((name) => ({ name }))
const costs = {
  stepMs: 13,
  perRequestMs: 0.044,
  perAdapterMs: 0.45,
  perPromptTokenMs: 0.055,
  loadMs: 100,
}
const work = workOf(costs, { inputTokens: 220, outputTokens: 195 }, 30)

function homesOf(homes: Homes, revision: string): readonly string[] {
  return replicas.map(({ name }) => name).filter((name) => homes.awayShare(revision, name) === 0)
}

/** Every second for a minute: so many requests each, planned every five. */
function afterAMinute(traffic: Readonly<Record<string, number>>, known = true): Homes {
  const homes = new Homes()
  homes.plan(replicas, undefined, 0)
  for (let second = 1; second <= 60; second += 1) {
    for (const [revision, count] of Object.entries(traffic)) {
      for (let at = 0; at < count; at += 1) {
        homes.note(revision)
      }
    }
    if (second % 5 === 0) {
      homes.plan(replicas, known ? work : undefined, second * 1000)
    }
  }
  return homes
}

const many = Object.fromEntries(Array.from({ length: 40 }, (_, at) => [`r${at}`, 1]))

describe('homes of adapters', () => {
  test('are everywhere for what nobody has asked for', () => {
    expect(homesOf(afterAMinute(many), 'unheard')).toEqual(['a', 'b', 'c', 'd'])
  })

  test('are everywhere while nothing is known of the engines', () => {
    expect(homesOf(afterAMinute(many, false), 'r0')).toEqual(['a', 'b', 'c', 'd'])
  })

  test('are one each for adapters of little traffic, and about as many a replica', () => {
    const homes = afterAMinute(many)
    const counts = new Map(replicas.map(({ name }) => [name, 0]))
    for (const revision of Object.keys(many)) {
      const own = homesOf(homes, revision)
      expect(own).toHaveLength(1)
      counts.set(own[0] ?? '', (counts.get(own[0] ?? '') ?? 0) + 1)
    }
    expect(Math.max(...counts.values())).toBeLessThanOrEqual(11)
  })

  test('are several for one that is more than a replica’s part', () => {
    expect(homesOf(afterAMinute({ ...many, busy: 60 }), 'busy').length).toBeGreaterThanOrEqual(3)
  })

  test('are the same for two who see the same traffic', () => {
    const [mine, yours] = [afterAMinute(many), afterAMinute(many)]
    for (const revision of Object.keys(many)) {
      expect(homesOf(mine, revision)).toEqual(homesOf(yours, revision))
    }
  })

  test('bind in proportion to the time for which an adapter is active', () => {
    const homes = afterAMinute({ ...many, busy: 5 })
    const shareOf = (revision: string): number =>
      Math.max(...replicas.map(({ name }) => homes.awayShare(revision, name)))
    // Six seconds a request: active nearly always at five a second.
    expect(shareOf('busy')).toBeGreaterThan(0.99)
    const rare = new Homes()
    rare.plan(replicas, undefined, 0)
    for (let second = 1; second <= 60; second += 1) {
      if (second % 20 === 0) {
        rare.note('rare')
      }
      rare.note('other')
      if (second % 5 === 0) {
        rare.plan(replicas, work, second * 1000)
      }
    }
    const share = Math.max(...replicas.map(({ name }) => rare.awayShare('rare', name)))
    expect(share).toBeGreaterThan(0.05)
    expect(share).toBeLessThan(0.4)
  })

  test('move only for what was at home on a replica that went', () => {
    const homes = afterAMinute(many)
    const before = Object.keys(many).map((revision) => homesOf(homes, revision))
    const rest = replicas.slice(0, 3)
    for (const revision of Object.keys(many)) {
      homes.note(revision)
    }
    homes.plan(rest, work, 61_000)
    const moved = Object.keys(many).filter((revision, at) => {
      const after = rest
        .map(({ name }) => name)
        .filter((name) => homes.awayShare(revision, name) === 0)
      const was = before[at] ?? []
      return was[0] !== 'd' && after[0] !== was[0]
    })
    expect(moved.length).toBeLessThanOrEqual(6)
  })
})

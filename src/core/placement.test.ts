import { expect, test } from 'vitest'
import { rankReplicas } from './placement.ts'

const replicas = Array.from({ length: 12 }, (_, at) => ({ name: `models/llama-${at}` }))
const revisions = Array.from({ length: 3000 }, (_, at) => `revision ${at}`)

test('each replica is the first choice of about as many', () => {
  const firsts = new Map(replicas.map(({ name }) => [name, 0]))
  for (const revision of revisions) {
    const [first = ''] = rankReplicas(revision, replicas)
    firsts.set(first, (firsts.get(first) ?? 0) + 1)
  }
  // 250 each; five standard deviations.
  expect(Math.min(...firsts.values())).toBeGreaterThan(170)
  expect(Math.max(...firsts.values())).toBeLessThan(330)
})

test('one that goes moves only what was its own, to all the others', () => {
  const gone = 'models/llama-3'
  const rest = replicas.filter(({ name }) => name !== gone)
  const heirs = new Set<string>()
  for (const revision of revisions) {
    const before = rankReplicas(revision, replicas)
    const after = rankReplicas(revision, rest)
    expect(after).toEqual(before.filter((name) => name !== gone))
    if (before[0] === gone) {
      heirs.add(after[0] ?? '')
    }
  }
  expect(heirs.size).toBe(11)
})

test('one that is leaving comes last, and the order given makes no difference', () => {
  const leaving = replicas.map((one, at) => (at === 5 ? { ...one, isLeaving: true } : one))
  for (const revision of revisions.slice(0, 100)) {
    const ranked = rankReplicas(revision, leaving)
    expect(ranked.at(-1)).toBe('models/llama-5')
    expect(ranked.slice(0, -1)).toEqual(
      rankReplicas(revision, replicas).filter((name) => name !== 'models/llama-5'),
    )
    expect(rankReplicas(revision, leaving.toReversed())).toEqual(ranked)
  }
})

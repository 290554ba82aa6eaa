import { createHash } from 'node:crypto'

type Named = { readonly name: string; readonly isLeaving?: boolean }

/**
 * Replicas in the order in which they should hold a revision: rendezvous hashing, so that a replica that comes or goes
 * moves only its own share; one that is leaving comes last. Ten thousand revisions on twenty replicas are asked for at every pass: what was worked out
 * for the same replicas is kept.
 */
export function rankReplicas(revision: string, replicas: readonly Named[]): readonly string[] {
  if (replicas.length < 2) {
    return replicas.map(({ name }) => name)
  }
  const ranks = ranksOf(replicas)
  const known = ranks.get(revision)
  if (known !== undefined) {
    return known
  }
  const score = (replica: string): string =>
    createHash('sha256').update(`${revision}\0${replica}`).digest('hex')
  const ranked = replicas
    .map(({ name, isLeaving }) => ({
      name,
      score: `${isLeaving === true ? '1' : '0'}${score(name)}`,
    }))
    .sort((left, right) => (left.score < right.score ? -1 : 1))
    .map(({ name }) => name)
  ranks.set(revision, ranked)
  return ranked
}

type Ranks = Map<string, readonly string[]>

const maxSets = 16
const maxRevisions = 50_000

/** By the set of replicas; a function of its arguments still, only faster. */
const kept = new Map<string, Ranks>()
const sets = new WeakMap<readonly Named[], Ranks>()

function ranksOf(replicas: readonly Named[]): Ranks {
  const near = sets.get(replicas)
  if (near !== undefined && near.size < maxRevisions) {
    return near
  }
  const set = replicas
    .map(({ name, isLeaving }) => `${name}${isLeaving === true ? '-' : ''}`)
    .join('\0')
  const ranks = kept.get(set) ?? new Map<string, readonly string[]>()
  kept.delete(set)
  kept.set(set, ranks.size < maxRevisions ? ranks : new Map())
  for (const oldest of kept.keys()) {
    if (kept.size <= maxSets) {
      break
    }
    kept.delete(oldest)
  }
  sets.set(replicas, ranks)
  return ranks
}

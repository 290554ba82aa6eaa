import { createHash } from 'node:crypto'

/**
 * Replicas in the order in which they should hold a revision: rendezvous hashing, so that a replica that comes or goes
 * moves only its own share.
 */
export function rankReplicas(revision: string, replicas: readonly string[]): readonly string[] {
  const score = (replica: string): string =>
    createHash('sha256').update(`${revision}\0${replica}`).digest('hex')
  return replicas
    .map((replica) => ({ replica, score: score(replica) }))
    .sort((left, right) => (left.score < right.score ? -1 : 1))
    .map(({ replica }) => replica)
}

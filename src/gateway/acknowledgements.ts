import type { ReplicaView } from './replica-view.ts'

/** Revisions of the table that a request could go to on one of these right now, or after a slot. */
export function acknowledgedBy(
  views: readonly ReplicaView[],
  wanted: ReadonlySet<string>,
): ReadonlySet<string> {
  const revisions = new Set<string>()
  for (const view of views) {
    for (const revision of view.ready ? view.routable() : []) {
      if (wanted.has(revision)) {
        revisions.add(revision)
      }
    }
  }
  return revisions
}

/** By pool, a text that changes whenever what it acknowledges may have. */
export function acknowledgementVersionsOf(
  viewsByPool: ReadonlyMap<string, readonly ReplicaView[]>,
): ReadonlyMap<string, string> {
  const versions = new Map<string, string>()
  for (const [poolKey, views] of viewsByPool) {
    const parts = views.map(({ replica, stateVersion }) => `${replica.name} ${stateVersion}`)
    versions.set(poolKey, parts.join(','))
  }
  return versions
}

/** On the Deployment: the number of replicas that we wrote last. Another number there is somebody else's. */
export const replicasAnnotation = 'loraplex.dev/replicas'

export interface LiveReplicas {
  readonly replicas: number
  /** The annotation; undefined before the first write. */
  readonly written: string | undefined
}

export interface ReplicaCount {
  /** For the Deployment now. Never fewer than there are: those leave one by one. */
  readonly replicas: number
  /** Somebody else writes the Deployment's replicas: it is ours. */
  readonly foreign: number | undefined
}

/** What to write for `desired`: more at once, fewer only by way of the scale-down. */
export function countReplicas(desired: number, live: LiveReplicas | undefined): ReplicaCount {
  if (live === undefined) {
    return { replicas: desired, foreign: undefined }
  }
  const ours = live.written === undefined ? undefined : Number(live.written)
  if (ours !== undefined && ours !== live.replicas) {
    // Their number is not a wish of ours: back to what we had, and on from there.
    return { replicas: Math.max(desired, ours), foreign: live.replicas }
  }
  return { replicas: Math.max(desired, live.replicas), foreign: undefined }
}

import type { StatusByKind } from '../api/condition.ts'
import type { Kind, ResourceSnapshot } from '../api/kinds.ts'
import type { ResourceProblem } from '../resources/resource-source.ts'

/** Objects and statuses of a folder or a cluster, at one moment. */
export interface ResourceView {
  /** Where they are, for sentences: `/models`, or `the cluster (context kind)`. */
  readonly place: string
  /** The first line of every command, apart from the results. */
  readonly headline: string
  readonly snapshot: ResourceSnapshot
  readonly statusOf: <K extends Kind>(kind: K, key: string) => StatusByKind[K] | undefined
  readonly problems: readonly ResourceProblem[]
  /** What shows the problems whole; undefined where they are part of the objects' conditions. */
  readonly checkCommand: string | undefined
}

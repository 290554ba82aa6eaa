import type { StatusByKind } from '../api/condition.ts'
import type { Kind, ResourceSnapshot } from '../api/kinds.ts'
import type { ResourceProblem } from '../resources/resource-source.ts'
import { viewCluster } from './cluster-view.ts'
import type { CommandIo } from './command.ts'
import { viewFolder } from './folder-view.ts'
import { choosePlace, type placeOptions } from './place.ts'
import type { OptionValues } from './command.ts'

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

/** What the flags are about, said in the first line. */
export async function viewResources(
  io: CommandIo,
  options: OptionValues<typeof placeOptions>,
  namespace?: string,
): Promise<ResourceView> {
  const place = await choosePlace(io, options)
  const view =
    place.kind === 'Folder'
      ? await viewFolder(io, options)
      : await viewCluster(place.access, namespace)
  io.err(`${view.headline}\n`)
  return view
}

import { viewCluster } from './cluster-view.ts'
import type { CommandIo, OptionValues } from './command.ts'
import { viewFolder } from './folder-view.ts'
import { choosePlace, type placeOptions } from './place.ts'
import type { ResourceView } from './resource-view.ts'

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

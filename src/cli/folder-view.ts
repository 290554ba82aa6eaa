import { randomUUID } from 'node:crypto'
import { resolve } from 'node:path'
import { UserError } from '../errors.ts'
import { FileReader } from '../resources/directory/file-reader.ts'
import { reconcile } from '../resources/directory/reconcile.ts'
import { snapshotOf } from '../resources/directory/snapshot.ts'
import { readStateFile } from '../resources/directory/state-file.ts'
import { readStatusFile } from '../resources/directory/status-file.ts'
import { StatusStore } from '../resources/directory/status-store.ts'
import type { CommandIo } from './command.ts'
import type { ResourceView } from './resource-view.ts'

/**
 * Objects and statuses as the service in `state` last saved them; where none has run, the folder itself.
 *
 * @throws UserError where neither is there, or the state is about another folder.
 */
export async function viewFolder(
  io: CommandIo,
  options: { readonly dir: string | undefined; readonly state: string },
): Promise<ResourceView> {
  const stateFolder = resolve(io.workingFolder, options.state)
  const wanted = options.dir === undefined ? undefined : resolve(io.workingFolder, options.dir)
  const saved = await readStateFile(stateFolder)
  if (saved.outcome === 'Damaged') {
    throw new UserError(`The state in ${stateFolder} cannot be used: ${saved.reason}.`)
  }
  if (saved.outcome === 'Absent') {
    return readFolder(wanted ?? io.workingFolder)
  }
  if (wanted !== undefined && wanted !== saved.folder) {
    throw new UserError(
      `The state in ${stateFolder} is about ${saved.folder}, not about ${wanted}.\n` +
        'Name the state folder of that service with --state, or leave --dir out.',
      2,
    )
  }
  const file = await readStatusFile(stateFolder)
  const statuses = new StatusStore()
  statuses.restore(file)
  return {
    ...wordsOf(saved.folder, file?.writtenAt),
    snapshot: snapshotOf(saved.state.objects, saved.folder),
    statusOf: (kind, key) => statuses.get(kind, key),
    problems: file?.problems ?? [],
  }
}

/** What a service would take from the folder if it began now. */
export async function readFolder(folder: string): Promise<ResourceView> {
  const { scan } = await new FileReader({ folder, skip: new Set(), quietMs: 0 }).read()
  const unreadable = scan.unreadable.get('')
  if (unreadable !== undefined) {
    throw new UserError(`The folder ${folder} ${unreadable}. Name another with --dir.`, 2)
  }
  const { state, problems } = reconcile({ objects: new Map(), revokedKeys: new Set() }, scan, {
    folder,
    nowMs: Date.now(),
    newUid: randomUUID,
  })
  return {
    ...wordsOf(folder, undefined),
    snapshot: snapshotOf(state.objects, folder),
    statusOf: () => undefined,
    problems,
  }
}

function wordsOf(
  folder: string,
  writtenAt: string | undefined,
): Pick<ResourceView, 'place' | 'headline' | 'checkCommand'> {
  return {
    place: folder,
    headline:
      writtenAt === undefined
        ? `folder ${folder}; no service has written statuses for it (loraplex up does)`
        : `folder ${folder}; statuses of ${writtenAt}`,
    checkCommand: `loraplex check ${folder}`,
  }
}

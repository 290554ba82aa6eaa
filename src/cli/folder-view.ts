import { randomUUID } from 'node:crypto'
import { resolve } from 'node:path'
import type { StatusByKind } from '../api/condition.ts'
import type { Kind, ResourceSnapshot } from '../api/kinds.ts'
import { UserError } from '../errors.ts'
import { FileReader } from '../resources/directory/file-reader.ts'
import { reconcile } from '../resources/directory/reconcile.ts'
import { snapshotOf } from '../resources/directory/snapshot.ts'
import { readStateFile } from '../resources/directory/state-file.ts'
import { readStatusFile } from '../resources/directory/status-file.ts'
import { StatusStore } from '../resources/directory/status-store.ts'
import type { ResourceProblem } from '../resources/resource-source.ts'
import type { CommandIo } from './command.ts'

/** What a service knows about its folder, or would know. */
export interface FolderView {
  /** Absolute. */
  readonly folder: string
  readonly snapshot: ResourceSnapshot
  readonly statusOf: <K extends Kind>(kind: K, key: string) => StatusByKind[K] | undefined
  readonly problems: readonly ResourceProblem[]
  /** When a service last wrote its statuses; undefined where none has run on this folder. */
  readonly writtenAt: string | undefined
}

export const folderOptions = {
  dir: {
    type: 'string',
    summary:
      'folder of YAML files; without it the one that the state folder is about, else this one',
    placeholder: 'folder',
  },
  state: {
    type: 'string',
    summary: 'state folder of the service',
    placeholder: 'folder',
    default: '.loraplex',
  },
} as const

/**
 * Objects and statuses as the service in `state` last saved them; where none has run, the folder itself.
 *
 * @throws UserError where neither is there, or the state is about another folder.
 */
export async function viewFolder(
  io: CommandIo,
  options: { readonly dir: string | undefined; readonly state: string },
): Promise<FolderView> {
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
    folder: saved.folder,
    snapshot: snapshotOf(saved.state.objects, saved.folder),
    statusOf: (kind, key) => statuses.get(kind, key),
    problems: file?.problems ?? [],
    writtenAt: file?.writtenAt,
  }
}

/** What a service would take from the folder if it began now. */
export async function readFolder(folder: string): Promise<FolderView> {
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
    folder,
    snapshot: snapshotOf(state.objects, folder),
    statusOf: () => undefined,
    problems,
    writtenAt: undefined,
  }
}

/** The first line of every command on a folder, apart from the results. */
export function sayFolder(io: CommandIo, view: FolderView): void {
  io.err(
    view.writtenAt === undefined
      ? `folder ${view.folder}; no service has written statuses for it (loraplex up does)\n`
      : `folder ${view.folder}; statuses of ${view.writtenAt}\n`,
  )
}

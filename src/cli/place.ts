import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { UserError } from '../errors.ts'
import type { ClusterAccess } from '../resources/kubernetes/cluster-access.ts'
import { connectToCluster } from '../resources/kubernetes/connect.ts'
import { isInCluster } from '../resources/kubernetes/in-cluster-access.ts'
import { clusterOptions, connectionOf } from './cluster-options.ts'
import type { CommandIo } from './command.ts'

/** Flags of commands that look at a folder or at a cluster. */
export const placeOptions = {
  dir: {
    type: 'string',
    summary:
      'folder of YAML files; without it and without a cluster the one that the state folder is about, else this one',
    placeholder: 'folder',
  },
  state: {
    type: 'string',
    summary: 'state folder of the service',
    placeholder: 'folder',
    default: '.loraplex',
  },
  ...clusterOptions,
} as const

interface PlaceFlags {
  readonly dir: string | undefined
  readonly state: string
  readonly context: string | undefined
  readonly kubeconfig: string | undefined
}

export type Place =
  | { readonly kind: 'Folder' }
  | {
      readonly kind: 'Cluster'
      readonly access: ClusterAccess
      /** What leads here again, for words on what to run next. */
      readonly flags: string
    }

/**
 * What a command is about: what its flags name; else the service of this folder, where one has run; else the cluster that
 * kubectl would speak to; else this folder.
 *
 * @throws UserError for flags that contradict each other, and for a context that is not there.
 */
export async function choosePlace(io: CommandIo, options: PlaceFlags): Promise<Place> {
  const { dir, state, context, kubeconfig } = options
  const namesCluster = context !== undefined || kubeconfig !== undefined
  if (dir !== undefined && namesCluster) {
    throw new UserError('--dir is about a folder, --context and --kubeconfig about a cluster.', 2)
  }
  const isFolder =
    dir !== undefined || existsSync(resolve(io.workingFolder, state)) || !hasCluster(io)
  if (isFolder && !namesCluster) {
    return { kind: 'Folder' }
  }
  const flags = [
    ...(context === undefined ? [] : ['--context', context]),
    ...(kubeconfig === undefined ? [] : ['--kubeconfig', kubeconfig]),
  ]
  return {
    kind: 'Cluster',
    access: await connectToCluster(connectionOf(options)),
    flags: flags.map((word) => ` ${word}`).join(''),
  }
}

function hasCluster({ env }: CommandIo): boolean {
  const home = env['HOME'] ?? ''
  return (
    (env['KUBECONFIG'] ?? '') !== '' ||
    (home !== '' && existsSync(join(home, '.kube', 'config'))) ||
    isInCluster(env)
  )
}

import { resolve } from 'node:path'
import { keyOf } from '../api/metadata.ts'
import { apiVersion } from '../api/metadata.ts'
import type { TenantKey } from '../api/tenant-key.ts'
import { UserError } from '../errors.ts'
import type { ClusterAccess } from '../resources/kubernetes/cluster-access.ts'
import { isKubeError } from '../resources/kubernetes/kube-api-error.ts'
import { readResource } from '../resources/kubernetes/read-resource.ts'
import { resourceTypes } from '../resources/kubernetes/resource-types.ts'
import { placeOf, withCluster } from './cluster-view.ts'
import { readFolder } from './folder-view.ts'
import { endInFolder, writeKeyFile, type KeyEnd, type KeyManifest } from './key-files.ts'

type OnAdded = (name: string, where: string) => void

/** Where TenantKeys are kept: files of a folder, or objects of a cluster. */
export interface KeyShelf {
  /** The first line of every command. */
  readonly headline: string
  readonly place: string
  /** Flags that lead here again. */
  readonly flags: string
  readonly defaultNamespace: string
  keys(namespace: string | undefined): Promise<readonly TenantKey[]>
  /** Tells of each where it is now, in words. @throws UserError where a name is taken */
  add(manifests: readonly KeyManifest[], onAdded: OnAdded): Promise<void>
  /** Where that is written, in words. */
  end(key: TenantKey, end: KeyEnd): Promise<string>
}

/** @param dir as it was written, for words on what to run next. */
export function folderShelf(workingFolder: string, dir: string): KeyShelf {
  const folder = resolve(workingFolder, dir)
  const keys = async (namespace: string | undefined): Promise<readonly TenantKey[]> =>
    within(namespace, (await readFolder(folder)).snapshot.keys.values())
  return {
    headline: `folder ${folder}`,
    place: folder,
    flags: ` --dir ${dir}`,
    defaultNamespace: 'default',
    keys,
    add: async (manifests, onAdded) => {
      const known = await keys(undefined).catch(noKeysYet)
      const names = new Set(known.map(({ metadata }) => keyOf(metadata)))
      for (const manifest of manifests) {
        const name = keyOf(manifest)
        if (names.has(name)) {
          throw taken(name, folder)
        }
        onAdded(name, await writeKeyFile(folder, manifest))
      }
    },
    end: async (key, end) => {
      const file = await endInFolder(folder, key, end)
      if (file === undefined) {
        throw new UserError(
          `TenantKey ${keyOf(key.metadata)} is not written in a way that can be edited safely. Write ${'revoked' in end ? 'revoked: true' : `expirationTime: ${JSON.stringify(end.expirationTime)}`} under its spec yourself.`,
        )
      }
      return file
    },
  }
}

/** A folder that is not there is made with its first key. */
export function noKeysYet(error: unknown): readonly TenantKey[] {
  if (error instanceof UserError) {
    return []
  }
  throw error
}

/** Holds `spec.revoked` of keys that were revoked: a GitOps apply that does not name the field leaves it alone. */
const fieldManager = 'loraplex-keys'

export function clusterShelf(access: ClusterAccess, flags: string): KeyShelf {
  const type = resourceTypes.TenantKey
  const place = placeOf(access)
  return {
    headline: `cluster ${access.origin}, ${access.url}`,
    place,
    flags,
    defaultNamespace: access.namespace,
    keys: (namespace) =>
      withCluster(access, async (client) => {
        const { items } = await client.list(type, namespace === undefined ? {} : { namespace })
        const read = items.map((object) => readResource('TenantKey', object).resource)
        return within(
          namespace,
          read.filter((resource) => resource?.kind === 'TenantKey'),
        )
      }),
    add: (manifests, onAdded) =>
      withCluster(access, async (client) => {
        for (const { name, namespace, spec } of manifests) {
          const object = { apiVersion, kind: 'TenantKey', metadata: { name, namespace }, spec }
          await client.create(type, object).catch((error: unknown) => {
            throw isKubeError(error, 'AlreadyExists') ? taken(`${namespace}/${name}`, place) : error
          })
          onAdded(`${namespace}/${name}`, place)
        }
      }),
    end: ({ metadata: { name, namespace, uid } }, end) =>
      withCluster(access, async (client) => {
        // The uid keeps a key that was deleted meanwhile from being made anew, as one without a hash.
        const object = { metadata: { name, namespace, uid }, spec: { ...end } }
        await client.apply(type, object, { fieldManager, force: true })
        return place
      }),
  }
}

function within(namespace: string | undefined, keys: Iterable<TenantKey>): readonly TenantKey[] {
  return [...keys]
    .filter(({ metadata }) => namespace === undefined || metadata.namespace === namespace)
    .sort((a, b) => (keyOf(a.metadata) < keyOf(b.metadata) ? -1 : 1))
}

function taken(name: string, place: string): UserError {
  return new UserError(
    `There is a TenantKey ${name} in ${place} already. Choose another name, or loraplex keys rotate.`,
  )
}

import { resolve } from 'node:path'
import { z } from 'zod'
import { keyOf, modelName, namespaceName, objectName } from '../../api/metadata.ts'
import type { TenantKey } from '../../api/tenant-key.ts'
import { UserError } from '../../errors.ts'
import { defineCommand, type Command, type CommandIo, type OptionValues } from '../command.ts'
import { readImportedKeys } from '../imported-keys.ts'
import { keyManifestText, type KeyManifest } from '../key-files.ts'
import { clusterShelf, folderShelf, noKeysYet, type KeyShelf } from '../key-shelf.ts'
import { choosePlace, placeOptions } from '../place.ts'
import { mintKey } from '../../resources/minted-key.ts'
import { readStateFile } from '../../resources/directory/state-file.ts'
import { parseDuration } from '../parse-duration.ts'
import { tableText } from '../table.ts'

const namespace = {
  type: 'string',
  short: 'n',
  summary: 'namespace of the key',
} as const

const expiryForms = '30m, 12h, 90d, or a time such as 2030-01-31T12:00:00Z'
const expires = {
  type: 'string',
  summary: `when it ends: ${expiryForms}`,
  placeholder: 'when',
} as const

const create = defineCommand({
  name: 'keys create',
  summary: 'Make a key for a tenant; it is printed once and stored nowhere',
  details:
    'With --dir the TenantKey (its hash, never the key) is written there as a new file; with --context it is made in the cluster;\n' +
    'with -o yaml it is printed for git, and no cluster is asked. ' +
    'The key goes to standard output, or to standard error with -o yaml.\n' +
    'Examples: loraplex keys create laptop -n acme --dir models\n' +
    '          loraplex keys create laptop -n acme --context production\n' +
    '          loraplex keys create laptop -n acme -o yaml > key.yaml',
  args: [{ name: 'name', summary: 'name of the TenantKey object' }],
  options: {
    ...placeOptions,
    namespace: { ...namespace, summary: "namespace of the key; default: the context's" },
    tenant: { type: 'string', summary: "the tenant; default: the namespace's" },
    models: {
      type: 'string',
      summary: 'names the key may call, with commas; default: all',
      placeholder: 'a,b',
    },
    expires,
    output: { type: 'string', short: 'o', summary: 'print the object, for git', choices: ['yaml'] },
  },
  run: async ({ io, args: [name = ''], options }) => {
    const shelf = await shelfForNew(io, options)
    const minted = mintKey()
    const expirationTime = expiry(options.expires, '--expires')
    const models = options.models?.split(',').map((one) => valid(modelName, one.trim(), '--models'))
    const manifest: KeyManifest = {
      name: valid(objectName, name, 'the name'),
      namespace: valid(
        namespaceName,
        options.namespace ?? shelf?.defaultNamespace ?? 'default',
        '--namespace',
      ),
      spec: {
        ...(options.tenant === undefined
          ? {}
          : { tenantRef: { name: valid(objectName, options.tenant, '--tenant') } }),
        id: minted.id,
        sha256: minted.sha256,
        ...(expirationTime === undefined ? {} : { expirationTime }),
        ...(models === undefined ? {} : { models }),
      },
    }
    return await handOver(io, shelf, manifest, minted.key, options.output)
  },
})

const list = defineCommand({
  name: 'keys list',
  summary: 'List the keys of a folder or a cluster, without what opens anything',
  args: [],
  options: { ...placeOptions, namespace },
  run: async ({ io, options }) => {
    const shelf = await shelfOf(io, options)
    const keys = await shelf.keys(options.namespace)
    io.out(
      tableText([
        ['NAMESPACE', 'NAME', 'ID', 'TENANT', 'STATE', 'EXPIRES', 'MODELS'],
        ...keys.map(({ metadata, spec }) => [
          metadata.namespace,
          metadata.name,
          spec.id ?? '<none>',
          spec.tenantRef?.name ?? "(namespace's)",
          stateOf(spec, Date.now()),
          spec.expirationTime ?? 'never',
          spec.models?.join(',') ?? '(all)',
        ]),
      ]),
    )
    return 0
  },
})

const rotate = defineCommand({
  name: 'keys rotate',
  summary: 'Make a second key with the rights of the first, so that callers can move over',
  details:
    'The old key goes on working until `loraplex keys revoke` ends it, or for as long as --grace says. The new one ends when\n' +
    'the old one would have, unless --expires says otherwise.\n' +
    'Example: loraplex keys rotate laptop -n acme --dir models --grace 7d --expires 90d',
  args: [{ name: 'name', summary: 'name or id of the key to replace' }],
  options: {
    ...placeOptions,
    namespace,
    grace: {
      type: 'string',
      summary: 'how long the old key still works: 30m, 12h, 7d',
      placeholder: 'duration',
    },
    expires: { ...expires, summary: `when the new key ends: ${expiryForms}` },
  },
  run: async ({ io, args: [name = ''], options }) => {
    const shelf = await shelfOf(io, options)
    const keys = await shelf.keys(options.namespace)
    const old = keyNamed(shelf, keys, name)
    const graceEnd = expiry(options.grace, '--grace')
    const expirationTime = expiry(options.expires, '--expires') ?? old.spec.expirationTime
    requireFuture(expirationTime, old)
    const minted = mintKey()
    const { revoked: _, ...rights } = old.spec
    const { namespace: inNamespace } = old.metadata
    const manifest: KeyManifest = {
      name: nextName(namesIn(keys, inNamespace), old.metadata.name),
      namespace: inNamespace,
      spec: {
        ...rights,
        id: minted.id,
        sha256: minted.sha256,
        ...(expirationTime === undefined ? {} : { expirationTime }),
      },
    }
    await handOver(io, shelf, manifest, minted.key, undefined)
    if (expirationTime !== undefined) {
      io.err(`It works until ${expirationTime}.\n`)
    }
    if (graceEnd !== undefined && !endsBefore(old, graceEnd)) {
      const where = await shelf.end(old, { expirationTime: graceEnd })
      io.err(`The old key works until ${graceEnd}, as is written in ${where}.\n`)
      return 0
    }
    io.err(
      `The old key works until it is revoked. When everybody has the new one:\n  loraplex keys revoke ${old.metadata.name} -n ${old.metadata.namespace}${shelf.flags}\n`,
    )
    return 0
  },
})

const revoke = defineCommand({
  name: 'keys revoke',
  summary: 'End a key for good, in the file where it is written or in the cluster',
  details:
    'The rest of the file stays as it is. A running service follows within a second; no file can bring the key back.\n' +
    'In a cluster the field is held by loraplex-keys: applying the object from git again does not bring the key back.',
  args: [{ name: 'name', summary: 'name or id of the key' }],
  options: { ...placeOptions, namespace },
  run: async ({ io, args: [name = ''], options }) => {
    const shelf = await shelfOf(io, options)
    const key = keyNamed(shelf, await shelf.keys(options.namespace), name)
    const where = await shelf.end(key, { revoked: true })
    io.out(`TenantKey ${keyOf(key.metadata)} is revoked in ${where}\n`)
    return 0
  },
})

const importKeys = defineCommand({
  name: 'keys import',
  summary: 'Take over the keys of another gateway by their hashes, so that nobody needs a new one',
  details:
    'The file is a JSON list of {name, sha256}, or CSV with these in its first line; `key_alias` and `token`, as LiteLLM exports\n' +
    'them, are read as these, and a `sha256:` in front of the hash is left out. The hash has to be the SHA-256 of the whole key, in\n' +
    'hex. `expires`, a time, and `models`, a list of names, are taken over; what is `blocked` is left out. Twice does no harm.\n' +
    'Example: loraplex keys import old-keys.json -n acme --dir models',
  args: [{ name: 'file', summary: 'the list' }],
  options: { ...placeOptions, namespace },
  run: async ({ io, args: [file = ''], options }) => {
    const imported = await readImportedKeys(resolve(io.workingFolder, file))
    const shelf = await shelfOf(io, options)
    const inNamespace = valid(
      namespaceName,
      options.namespace ?? shelf.defaultNamespace,
      '--namespace',
    )
    const keys = await shelf.keys(undefined).catch(noKeysYet)
    const known = new Set(keys.map(({ spec }) => spec.sha256))
    const names = namesIn(keys, inNamespace)
    const fresh: KeyManifest[] = []
    for (const { name, isBlocked, spec } of imported) {
      if (isBlocked || known.has(spec.sha256)) {
        io.err(
          `${inNamespace}/${name} ${isBlocked ? 'is blocked and left out' : 'is there already'}\n`,
        )
        continue
      }
      const free = names.has(name) ? nextName(names, name) : name
      known.add(spec.sha256)
      names.add(free)
      fresh.push({ name: free, namespace: inNamespace, spec })
    }
    await shelf.add(fresh, (name, where) => io.out(`TenantKey ${name} is in ${where}\n`))
    return 0
  },
})

export const keyCommands: readonly Command[] = [create, list, rotate, revoke, importKeys]

type PlaceValues = OptionValues<typeof placeOptions>

/** Where the keys are that the flags mean, said in the first line. */
async function shelfOf(io: CommandIo, options: PlaceValues): Promise<KeyShelf> {
  const place = await choosePlace(io, options)
  const shelf =
    place.kind === 'Cluster'
      ? clusterShelf(place.access, place.flags)
      : folderShelf(io.workingFolder, options.dir ?? (await folderOfService(io, options.state)))
  io.err(`${shelf.headline}\n`)
  return shelf
}

/** The folder of the service that ran here, else this one. */
async function folderOfService(io: CommandIo, state: string): Promise<string> {
  const saved = await readStateFile(resolve(io.workingFolder, state))
  return saved.outcome === 'Read' ? saved.folder : '.'
}

/** Undefined: printed only. A new key goes into no folder that nobody named. */
async function shelfForNew(
  io: CommandIo,
  options: PlaceValues & { readonly output: 'yaml' | undefined },
): Promise<KeyShelf | undefined> {
  const { dir, context, kubeconfig, output } = options
  if (dir === undefined && context === undefined && kubeconfig === undefined) {
    if (output !== undefined) {
      return undefined
    }
    if ((await choosePlace(io, options)).kind === 'Folder') {
      throw new UserError(
        'Where should the object go? --dir FOLDER writes it where the service follows it; --context NAME makes it in a cluster; -o yaml prints it for git.',
        2,
      )
    }
  }
  return await shelfOf(io, options)
}

/** Keeps or prints the object, and shows the key this one time. */
async function handOver(
  io: CommandIo,
  shelf: KeyShelf | undefined,
  manifest: KeyManifest,
  key: string,
  output: 'yaml' | undefined,
): Promise<0> {
  const name = `${manifest.namespace}/${manifest.name}`
  if (shelf !== undefined) {
    await shelf.add([manifest], (_name, where) => io.err(`TenantKey ${name} is in ${where}\n`))
  }
  if (output === 'yaml') {
    io.out(keyManifestText(manifest))
    io.err(`The key of ${name}, shown this once:\n${key}\n`)
  } else {
    io.err('The key, shown this once:\n')
    io.out(`${key}\n`)
  }
  return 0
}

function keyNamed(shelf: KeyShelf, keys: readonly TenantKey[], name: string): TenantKey {
  const found = keys.filter(({ metadata, spec }) => metadata.name === name || spec.id === name)
  const [first, second] = found
  if (first === undefined) {
    throw new UserError(
      `There is no TenantKey ${name} in ${shelf.place}. loraplex keys list${shelf.flags} shows those that are.`,
    )
  }
  if (second !== undefined) {
    throw new UserError(
      `TenantKey ${name} is in the namespaces ${found.map(({ metadata }) => metadata.namespace).join(', ')}. Say which with -n.`,
      2,
    )
  }
  return first
}

function namesIn(keys: readonly TenantKey[], namespace: string): Set<string> {
  return new Set(
    keys.flatMap(({ metadata }) => (metadata.namespace === namespace ? [metadata.name] : [])),
  )
}

/** `laptop` → `laptop-2` → `laptop-3`; a long name is cut so that it stays one. */
function nextName(taken: ReadonlySet<string>, old: string): string {
  const stem = old.replace(/-\d+$/, '')
  for (let number = 2; ; number += 1) {
    const suffix = `-${number}`
    const name = `${stem.slice(0, 40 - suffix.length)}${suffix}`
    if (!taken.has(name)) {
      return name
    }
  }
}

function stateOf(spec: TenantKey['spec'], nowMs: number): string {
  if (spec.revoked) {
    return 'Revoked'
  }
  return spec.expirationTime !== undefined && Date.parse(spec.expirationTime) <= nowMs
    ? 'Expired'
    : 'Valid'
}

function endsBefore({ spec: { expirationTime } }: TenantKey, time: string): boolean {
  return expirationTime !== undefined && Date.parse(expirationTime) <= Date.parse(time)
}

function expiry(text: string | undefined, flag: string): string | undefined {
  if (text === undefined) {
    return undefined
  }
  const span = /^\d+[smhd]$/.test(text)
  const time = span
    ? new Date(Date.now() + parseDuration(flag.replace('--', ''), text)).toISOString()
    : text
  if (!z.iso.datetime({ offset: true }).safeParse(time).success) {
    throw new UserError(`${flag} is ${JSON.stringify(text)}; write ${expiryForms}.`, 2)
  }
  if (Date.parse(time) <= Date.now()) {
    throw new UserError(`${flag} is ${text}, which is past.`, 2)
  }
  return time
}

/** Nobody is served by a second key that opens nothing. */
function requireFuture(expirationTime: string | undefined, { metadata }: TenantKey): void {
  if (expirationTime !== undefined && Date.parse(expirationTime) <= Date.now()) {
    throw new UserError(
      `TenantKey ${keyOf(metadata)} ended at ${expirationTime}; say with --expires when the new one ends.`,
      2,
    )
  }
}

function valid<T>(schema: z.ZodType<T>, value: unknown, where: string): T {
  const parsed = schema.safeParse(value)
  if (!parsed.success) {
    throw new UserError(
      `${where} is ${JSON.stringify(value)}; write ${parsed.error.issues[0]?.message ?? 'something else'}.`,
      2,
    )
  }
  return parsed.data
}

import { resolve } from 'node:path'
import { z } from 'zod'
import { keyOf, modelName, namespaceName, objectName } from '../../api/metadata.ts'
import type { TenantKey } from '../../api/tenant-key.ts'
import { UserError } from '../../errors.ts'
import { defineCommand, type Command, type CommandIo } from '../command.ts'
import { readFolder, type FolderView } from '../folder-view.ts'
import { keyManifestText, revokeInFolder, writeKeyFile, type KeyManifest } from '../key-files.ts'
import { mintKey } from '../../resources/minted-key.ts'
import { tableText } from '../table.ts'

const dir = {
  type: 'string',
  summary: 'folder of YAML files that the service follows',
  placeholder: 'folder',
} as const
const namespace = {
  type: 'string',
  short: 'n',
  summary: 'namespace of the key',
} as const

const create = defineCommand({
  name: 'keys create',
  summary: 'Make a key for a tenant; it is printed once and stored nowhere',
  details:
    'With --dir the TenantKey (its hash, never the key) is written there as a new file; with -o yaml it is printed for git.\n' +
    'The key goes to standard output, or to standard error with -o yaml.\n' +
    'Examples: loraplex keys create laptop -n acme --dir models\n' +
    '          loraplex keys create laptop -n acme -o yaml > key.yaml',
  args: [{ name: 'name', summary: 'name of the TenantKey object' }],
  options: {
    dir,
    namespace: { ...namespace, default: 'default' },
    tenant: { type: 'string', summary: "the tenant; default: the namespace's" },
    models: {
      type: 'string',
      summary: 'names the key may call, with commas; default: all',
      placeholder: 'a,b',
    },
    expires: {
      type: 'string',
      summary: 'when it ends: 12h, 90d, or a time such as 2030-01-31T12:00:00Z',
      placeholder: 'when',
    },
    output: { type: 'string', short: 'o', summary: 'print the object, for git', choices: ['yaml'] },
  },
  run: async ({ io, args: [name = ''], options }) => {
    const minted = mintKey()
    const expirationTime = expiry(options.expires)
    const models = options.models?.split(',').map((one) => valid(modelName, one.trim(), '--models'))
    const manifest: KeyManifest = {
      name: valid(objectName, name, 'the name'),
      namespace: valid(namespaceName, options.namespace, '--namespace'),
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
    return await handOver(io, manifest, minted.key, options)
  },
})

const list = defineCommand({
  name: 'keys list',
  summary: 'List the keys of a folder, without what opens anything',
  args: [],
  options: { dir: { ...dir, default: '.' }, namespace },
  run: async ({ io, options }) => {
    const view = await viewOf(io, options.dir)
    const keys = keysOf(view).filter(
      ({ metadata }) => options.namespace === undefined || metadata.namespace === options.namespace,
    )
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
  details: 'The old key goes on working until `loraplex keys revoke` ends it.',
  args: [{ name: 'name', summary: 'name or id of the key to replace' }],
  options: { dir: { ...dir, default: '.' }, namespace },
  run: async ({ io, args: [name = ''], options }) => {
    const view = await viewOf(io, options.dir)
    const old = keyNamed(view, name, options.namespace)
    const minted = mintKey()
    const { revoked: _, ...rights } = old.spec
    const manifest: KeyManifest = {
      name: nextName(view, old),
      namespace: old.metadata.namespace,
      spec: { ...rights, id: minted.id, sha256: minted.sha256 },
    }
    await handOver(io, manifest, minted.key, { dir: options.dir, output: undefined })
    io.err(
      `The old key works until it is revoked. When everybody has the new one:\n  loraplex keys revoke ${old.metadata.name} -n ${old.metadata.namespace} --dir ${options.dir}\n`,
    )
    return 0
  },
})

const revoke = defineCommand({
  name: 'keys revoke',
  summary: 'End a key for good, in the file where it is written',
  details:
    'The rest of the file stays as it is. A running service follows within a second; no file can bring the key back.',
  args: [{ name: 'name', summary: 'name or id of the key' }],
  options: { dir: { ...dir, default: '.' }, namespace },
  run: async ({ io, args: [name = ''], options }) => {
    const view = await viewOf(io, options.dir)
    const key = keyNamed(view, name, options.namespace)
    const file = await revokeInFolder(view.folder, key)
    if (file === undefined) {
      throw new UserError(
        `TenantKey ${keyOf(key.metadata)} is not written in a way that can be edited safely. Write revoked: true under its spec yourself.`,
      )
    }
    io.out(`TenantKey ${keyOf(key.metadata)} is revoked in ${file}\n`)
    return 0
  },
})

export const keyCommands: readonly Command[] = [create, list, rotate, revoke]

/** Writes or prints the object, and shows the key this one time. */
async function handOver(
  io: CommandIo,
  manifest: KeyManifest,
  key: string,
  options: { readonly dir: string | undefined; readonly output: 'yaml' | undefined },
): Promise<0> {
  const name = `${manifest.namespace}/${manifest.name}`
  if (options.dir === undefined && options.output === undefined) {
    throw new UserError(
      'Where should the object go? --dir FOLDER writes it where the service follows it; -o yaml prints it for git.',
      2,
    )
  }
  if (options.dir !== undefined) {
    const folder = resolve(io.workingFolder, options.dir)
    const taken = await keyIn(folder, name)
    if (taken) {
      throw new UserError(
        `There is a TenantKey ${name} in ${folder} already. Choose another name, or loraplex keys rotate.`,
      )
    }
    const path = await writeKeyFile(folder, manifest)
    io.err(`folder ${folder}\nTenantKey ${name} is in ${path}\n`)
  }
  if (options.output === 'yaml') {
    io.out(keyManifestText(manifest))
    io.err(`The key of ${name}, shown this once:\n${key}\n`)
  } else {
    io.err('The key, shown this once:\n')
    io.out(`${key}\n`)
  }
  return 0
}

async function keyIn(folder: string, name: string): Promise<boolean> {
  const view = await readFolder(folder).catch((error: unknown) => {
    if (error instanceof UserError) {
      return undefined // the folder is made with the first key
    }
    throw error
  })
  return view?.snapshot.keys.has(name) === true
}

async function viewOf(io: CommandIo, folder: string): Promise<FolderView> {
  const view = await readFolder(resolve(io.workingFolder, folder))
  io.err(`folder ${view.folder}\n`)
  return view
}

function keysOf(view: FolderView): readonly TenantKey[] {
  return [...view.snapshot.keys.values()].sort((a, b) =>
    keyOf(a.metadata) < keyOf(b.metadata) ? -1 : 1,
  )
}

function keyNamed(view: FolderView, name: string, inNamespace: string | undefined): TenantKey {
  const found = keysOf(view).filter(
    ({ metadata, spec }) =>
      (metadata.name === name || spec.id === name) &&
      (inNamespace === undefined || metadata.namespace === inNamespace),
  )
  const [first, second] = found
  if (first === undefined) {
    throw new UserError(
      `There is no TenantKey ${name} in ${view.folder}. loraplex keys list --dir ${view.folder} shows those that are.`,
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

/** `laptop` → `laptop-2` → `laptop-3`; a long name is cut so that it stays one. */
function nextName(view: FolderView, old: TenantKey): string {
  const stem = old.metadata.name.replace(/-\d+$/, '')
  for (let number = 2; ; number += 1) {
    const suffix = `-${number}`
    const name = `${stem.slice(0, 40 - suffix.length)}${suffix}`
    if (!view.snapshot.keys.has(`${old.metadata.namespace}/${name}`)) {
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

function expiry(text: string | undefined): string | undefined {
  if (text === undefined) {
    return undefined
  }
  const span = /^(\d{1,5})([hd])$/.exec(text)
  if (span !== null) {
    const hours = Number(span[1]) * (span[2] === 'd' ? 24 : 1)
    return new Date(Date.now() + hours * 3_600_000).toISOString()
  }
  if (!z.iso.datetime({ offset: true }).safeParse(text).success) {
    throw new UserError(
      `--expires is ${JSON.stringify(text)}; write 12h, 90d, or a time such as 2030-01-31T12:00:00Z.`,
      2,
    )
  }
  if (Date.parse(text) <= Date.now()) {
    throw new UserError(`--expires is ${text}, which is past.`, 2)
  }
  return text
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

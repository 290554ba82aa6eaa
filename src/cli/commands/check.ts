import { randomUUID } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import type { ResourceSnapshot } from '../../api/kinds.ts'
import { keyOf } from '../../api/metadata.ts'
import { pathOfFileUri } from '../../artifacts/source-uri.ts'
import { UserError } from '../../errors.ts'
import { FileReader, readFileOnce } from '../../resources/directory/file-reader.ts'
import {
  candidatesOf,
  type FileReading,
  type FolderScan,
} from '../../resources/directory/folder-scan.ts'
import type { HeldObjects } from '../../resources/directory/held-object.ts'
import { reconcile } from '../../resources/directory/reconcile.ts'
import { snapshotOf } from '../../resources/directory/snapshot.ts'
import type { ResourceProblem } from '../../resources/resource-source.ts'
import { defineCommand, type CommandIo } from '../command.ts'
import { crossCheck, type CrossFinding } from '../cross-checks.ts'
import { countText } from '../table.ts'

export const check = defineCommand({
  name: 'check',
  summary: 'Say what is wrong with YAML files, and what to write instead',
  details:
    'Prints file:line:column, the object, the field and what to write. Errors make the exit code 1; notices do not.\n' +
    'Example: loraplex check models/ tenants/acme.yaml',
  args: [{ name: 'files', summary: 'YAML files, or folders of them', many: true }],
  options: {
    output: {
      type: 'string',
      short: 'o',
      summary: 'how findings are printed',
      choices: ['text', 'json'],
      default: 'text',
    },
  },
  run: async ({ io, args, options }) => {
    const scan = await scanAll(io, args)
    const { objects, problems } = take(io, scan)
    const snapshot = snapshotOf(objects, io.workingFolder)
    const places = placesOf(scan)
    const notices = [...crossCheck(snapshot), ...(await missingSources(snapshot))].map(
      ({ identity, message }): ResourceProblem => ({
        where: places.get(identity) ?? identity,
        message: `${identity}: ${message}`,
        severity: 'Notice',
      }),
    )
    const all = [...problems, ...notices]
    if (options.output === 'json') {
      io.out(`${JSON.stringify(all, undefined, 2)}\n`)
    } else {
      print(io, all, objects.size, scan.files.size)
    }
    return all.some(({ severity }) => severity === 'Error') ? 1 : 0
  },
})

function print(
  io: CommandIo,
  findings: readonly ResourceProblem[],
  objects: number,
  files: number,
): void {
  for (const { where, message, severity } of findings) {
    io.out(`${where} ${severity === 'Notice' ? 'notice: ' : ''}${message}\n`)
  }
  const errors = findings.filter(({ severity }) => severity === 'Error').length
  io.err(
    `${countText(objects, 'good object')} in ${countText(files, 'file')}; ${countText(errors, 'error')}, ${countText(findings.length - errors, 'notice')}\n`,
  )
}

/** All the files given, as one folder: the working folder. */
async function scanAll(io: CommandIo, paths: readonly string[]): Promise<FolderScan> {
  const files = new Map<string, FileReading>()
  const unreadable = new Map<string, string>()
  for (const path of paths) {
    const full = resolve(io.workingFolder, path)
    const name = relative(io.workingFolder, full)
    if (await isFolder(full, path)) {
      const { scan } = await new FileReader({ folder: full, skip: new Set(), quietMs: 0 }).read()
      for (const [file, reading] of scan.files) {
        files.set(join(name, file), reading)
      }
      for (const [folder, reason] of scan.unreadable) {
        unreadable.set(join(name, folder), reason)
      }
    } else {
      const reading = await readFileOnce(full)
      if (reading !== 'Gone') {
        files.set(name, reading)
      }
    }
  }
  if (files.size === 0 && unreadable.size === 0) {
    throw new UserError(`There is no YAML file (.yaml, .yml) in ${paths.join(', ')}.`, 2)
  }
  return { files, unreadable }
}

async function isFolder(path: string, written: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch {
    throw new UserError(`There is no file or folder ${written}.`, 2)
  }
}

/** What a service that began now would take, and what it would say. */
function take(
  io: CommandIo,
  scan: FolderScan,
): { readonly objects: HeldObjects; readonly problems: readonly ResourceProblem[] } {
  const nothing = { objects: new Map(), revokedKeys: new Set<string>() }
  const { state, problems } = reconcile(nothing, scan, {
    folder: io.workingFolder,
    nowMs: Date.now(),
    newUid: randomUUID,
  })
  return { objects: state.objects, problems }
}

function placesOf(scan: FolderScan): ReadonlyMap<string, string> {
  const places = new Map<string, string>()
  for (const [identity, [first]] of candidatesOf(scan).byIdentity) {
    if (first !== undefined) {
      const { line, column } = first.document.position
      places.set(identity, `${first.file}:${line}:${column}`)
    }
  }
  return places
}

async function missingSources(snapshot: ResourceSnapshot): Promise<readonly CrossFinding[]> {
  const sources = [
    ...[...snapshot.pools.values()].map((pool) => ({
      identity: `ModelPool/${keyOf(pool.metadata)}`,
      field: 'spec.model.uri',
      uri: pool.spec.model.uri,
    })),
    ...[...snapshot.adapters.values()].map((adapter) => ({
      identity: `LoraAdapter/${keyOf(adapter.metadata)}`,
      field: 'spec.source.uri',
      uri: adapter.spec.source.uri,
    })),
  ]
  const findings = await Promise.all(
    sources.map(async ({ identity, field, uri }) => {
      const source = pathOfFileUri(uri, snapshot.baseFolders.get(identity) ?? dirname(uri))
      if (!source.ok) {
        return { identity, message: `\`${field}\`: ${source.problem.message}` }
      }
      const isThere = await stat(source.path).then(
        () => true,
        () => false,
      )
      return isThere
        ? undefined
        : { identity, message: `\`${field}\` leads to ${source.path}, where nothing is` }
    }),
  )
  return findings.filter((finding) => finding !== undefined)
}

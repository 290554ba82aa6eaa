import { readdir, stat } from 'node:fs/promises'
import type { BigIntStats, Dirent } from 'node:fs'
import { join } from 'node:path'

/** A YAML file that is there. */
export interface FoundFile {
  /** Relative to the folder, with `/`. */
  readonly file: string
  readonly path: string
  /** Undefined for a link that points nowhere, or a file whose folder may not be searched. */
  readonly stats: BigIntStats | undefined
}

export interface FolderListing {
  /** Sorted by name. */
  readonly files: readonly FoundFile[]
  /** Every folder to be watched: absolute path to identity (a folder made anew has another). */
  readonly folders: ReadonlyMap<string, string>
  /** Relative folder to the reason why it could not be listed. */
  readonly unreadable: ReadonlyMap<string, string>
}

const maxFolders = 10_000
const maxFiles = 50_000
/** Stats in flight: enough to keep the thread pool busy, few enough not to hold every buffer at once. */
const parallel = 64

/**
 * Every YAML file below a folder. Hidden folders, `node_modules` and `skip` are left out; links are followed, each
 * folder once, so that a loop of links ends.
 */
export async function walkFolder(root: string, skip: ReadonlySet<string>): Promise<FolderListing> {
  const unreadable = new Map<string, string>()
  const folders = new Map<string, string>()
  const candidates: { readonly file: string; readonly path: string }[] = []
  const seen = new Set<string>()
  // Links to folders come after every real folder, so that a file is known by its real place.
  const queue = ['']
  const links: string[] = []
  for (;;) {
    const folder = queue.shift() ?? links.shift()
    if (folder === undefined || folders.size >= maxFolders || candidates.length >= maxFiles) {
      break
    }
    const path = join(root, folder)
    try {
      const { dev, ino } = await stat(path, { bigint: true })
      const identity = `${dev}:${ino}`
      if (seen.has(identity)) {
        continue
      }
      seen.add(identity)
      const entries = await readdir(path, { withFileTypes: true })
      folders.set(path, identity)
      for (const entry of entries) {
        const file = folder === '' ? entry.name : `${folder}/${entry.name}`
        const full = join(root, file)
        if (isLeftOut(entry.name) || skip.has(full)) {
          continue
        }
        if (isYamlName(entry.name) && !entry.isDirectory()) {
          candidates.push({ file, path: full })
        } else if (entry.isDirectory()) {
          queue.push(file)
        } else if (await isLinkToFolder(entry, full)) {
          links.push(file)
        }
      }
    } catch (error) {
      // A folder that went away between listing and looking is gone; any other fault leaves it unknown.
      if (folder === '' || errorCode(error) !== 'ENOENT') {
        unreadable.set(folder, `cannot be read (${errorCode(error)})`)
      }
    }
  }
  return { files: await withStats(candidates), folders, unreadable }
}

function isLeftOut(name: string): boolean {
  return name.startsWith('.') || name === 'node_modules'
}

export function isYamlName(name: string): boolean {
  return /\.ya?ml$/i.test(name)
}

async function isLinkToFolder(entry: Dirent, path: string): Promise<boolean> {
  if (!entry.isSymbolicLink()) {
    return false
  }
  try {
    return (await stat(path)).isDirectory()
  } catch {
    return false
  }
}

async function withStats(
  candidates: readonly { readonly file: string; readonly path: string }[],
): Promise<readonly FoundFile[]> {
  const sorted = [...candidates].sort((a, b) => (a.file < b.file ? -1 : 1))
  const found: FoundFile[] = []
  for (let start = 0; start < sorted.length; start += parallel) {
    const batch = sorted.slice(start, start + parallel)
    found.push(...(await Promise.all(batch.map(withStat))))
  }
  return found
}

async function withStat(candidate: {
  readonly file: string
  readonly path: string
}): Promise<FoundFile> {
  try {
    return { ...candidate, stats: await stat(candidate.path, { bigint: true }) }
  } catch {
    return { ...candidate, stats: undefined }
  }
}

export function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
}

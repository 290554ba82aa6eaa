import { realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { fillFromFolder } from '../folder-source.ts'
import { kindOfPath, noAdapterAt } from '../file-source.ts'
import { problem, quoted } from '../problems.ts'
import { readArchive } from '../tar-source.ts'
import type { FetchOutcome } from '../types.ts'
import type { TarSink } from './tar-sink.ts'

export interface ClaimPlace {
  /** Where the claim is mounted. */
  readonly folder: string
  /** The claim's name, for messages. */
  readonly claim: string
  /** Inside the claim. */
  readonly path: string
  readonly signal: AbortSignal
}

/** Sends what lies at a path of a claim and never outside of it. How much of it is taken is for the taker to say. */
export async function readClaim(
  { folder, claim, path, signal }: ClaimPlace,
  sink: TarSink,
): Promise<void> {
  const shown = quoted(`pvc://${claim}/${path}`)
  const outcome = await send(shown)
  sink.end(outcome?.outcome === 'Stored' || outcome === undefined ? { outcome: 'Read' } : outcome)

  async function send(name: string): Promise<FetchOutcome | undefined> {
    if (path.includes('\0')) {
      return { outcome: 'Refused', problem: problem('SourceInvalid', `${name} is no path.`) }
    }
    const root = await realpath(folder)
    const found = join(root, path)
    const kind = await kindOfPath(found)
    switch (kind) {
      case 'Folder':
        return fillFromFolder(sink, {
          folder: found,
          root,
          maxBytes: Number.MAX_SAFE_INTEGER,
          signal,
        })
      case 'Archive':
        return readArchive({ path: found, root, signal }, async (content, sizeBytes) => {
          await sink.writeArchive(content, sizeBytes)
          return undefined
        })
      case 'Absent':
      case 'Other':
      case 'Unreadable':
        return noAdapterAt(kind, name)
      default:
        return kind satisfies never
    }
  }
}

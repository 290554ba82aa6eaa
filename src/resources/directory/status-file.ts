import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { StatusByKind } from '../../api/condition.ts'
import { kinds, type AnyResource, type Kind } from '../../api/kinds.ts'
import type { ResourceProblem } from '../resource-source.ts'

/** What `loraplex get` reads; no secret is in it. */
export function statusPath(stateFolder: string): string {
  return join(stateFolder, 'status.json')
}

/** One of our objects as `kubectl get -o json` shows it. */
export interface SavedObject<K extends Kind = Kind> {
  readonly kind: K
  readonly metadata: AnyResource['metadata']
  readonly spec: AnyResource['spec']
  readonly status?: StatusByKind[K]
}

export interface StatusFile {
  readonly version: 1
  /** Absolute: the folder whose objects these are. */
  readonly folder: string
  readonly writtenAt: string
  readonly objects: readonly SavedObject[]
  readonly problems: readonly ResourceProblem[]
}

const kindNames = Object.keys(kinds) as Kind[]
const condition = z.object({
  type: z.string(),
  status: z.enum(['True', 'False', 'Unknown']),
  reason: z.string(),
  message: z.string(),
  observedGeneration: z.number(),
  lastTransitionTime: z.string(),
})
const statusFile = z.object({
  version: z.literal(1),
  folder: z.string(),
  writtenAt: z.string(),
  objects: z.array(
    z.object({
      kind: z.enum(kindNames),
      metadata: z.looseObject({ name: z.string(), namespace: z.string(), uid: z.string() }),
      spec: z.looseObject({}),
      status: z.looseObject({ conditions: z.array(condition) }).optional(),
    }),
  ),
  problems: z.array(
    z.object({ where: z.string(), message: z.string(), severity: z.enum(['Error', 'Notice']) }),
  ),
})

/** What an earlier or another process wrote; undefined where there is none or it is not ours. */
export async function readStatusFile(stateFolder: string): Promise<StatusFile | undefined> {
  try {
    const raw: unknown = JSON.parse(await readFile(statusPath(stateFolder), 'utf8'))
    const parsed = statusFile.safeParse(raw)
    // The shape beyond what is checked is what `statusFileText` of this version wrote.
    return parsed.success ? (parsed.data as unknown as StatusFile) : undefined
  } catch {
    return undefined
  }
}

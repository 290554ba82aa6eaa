import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { apiVersion } from '../../api/metadata.ts'
import type { DeclaredObject } from './declared-object.ts'
import { holdObject, type HeldObject, type HeldState } from './held-object.ts'
import { readObject } from './read-object.ts'

/** Where the last good state lies; mode 0600, as it may hold Secrets. */
export function objectsPath(stateFolder: string): string {
  return join(stateFolder, 'objects.json')
}

const savedObject = z.object({
  object: z.unknown(),
  file: z.string(),
  uid: z.string(),
  creationTimeMs: z.number(),
  generation: z.int().min(1),
})
const savedState = z.object({
  version: z.literal(1),
  folder: z.string(),
  objects: z.array(savedObject),
  revokedKeys: z.array(z.string()),
})

export interface SavedState {
  readonly folder: string
  readonly state: HeldState
  /** Objects that this version no longer takes. */
  readonly dropped: number
}

export type StateReading =
  | ({ readonly outcome: 'Read' } & SavedState)
  | { readonly outcome: 'Absent' }
  | { readonly outcome: 'Damaged'; readonly reason: string }

/** The state of an earlier process. What is damaged or no longer valid is said, never thrown. */
export async function readStateFile(stateFolder: string): Promise<StateReading> {
  let text: string
  try {
    text = await readFile(objectsPath(stateFolder), 'utf8')
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ENOENT'
      ? { outcome: 'Absent' }
      : { outcome: 'Damaged', reason: 'it cannot be read' }
  }
  const parsed = savedState.safeParse(parseJson(text))
  if (!parsed.success) {
    return { outcome: 'Damaged', reason: 'it is not what this version writes' }
  }
  const { folder, objects, revokedKeys } = parsed.data
  const held = objects.flatMap((saved) => revive(saved) ?? [])
  return {
    outcome: 'Read',
    folder,
    state: {
      objects: new Map(held.map((object) => [object.identity, object])),
      revokedKeys: new Set(revokedKeys),
    },
    dropped: objects.length - held.length,
  }
}

export function stateFileText(folder: string, state: HeldState): string {
  const saved: z.input<typeof savedState> = {
    version: 1,
    folder,
    objects: [...state.objects.values()].map(
      ({ declared, file, uid, creationTimeMs, generation }) => ({
        object: manifestOf(declared),
        file,
        uid,
        creationTimeMs,
        generation,
      }),
    ),
    revokedKeys: [...state.revokedKeys],
  }
  return JSON.stringify(saved)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Read like any other, so that nothing enters that today's schemas refuse. */
function revive(saved: z.infer<typeof savedObject>): HeldObject | undefined {
  const read = readObject({ raw: saved.object, locate: () => ({ line: 1, column: 1 }) })
  if (read.outcome === 'Foreign' || read.object === undefined || read.identity === undefined) {
    return undefined
  }
  const { file, uid, creationTimeMs, generation } = saved
  return holdObject({
    identity: read.identity,
    declared: read.object,
    file,
    uid,
    creationTimeMs,
    generation,
    scansAway: 0,
    scansGone: 0,
  })
}

function manifestOf(declared: DeclaredObject): object {
  const metadata =
    declared.metadata.namespace === ''
      ? { ...declared.metadata, namespace: undefined }
      : declared.metadata
  switch (declared.kind) {
    case 'Secret':
      return { apiVersion: 'v1', kind: 'Secret', metadata, stringData: declared.data }
    case 'Namespace':
      return { apiVersion: 'v1', kind: 'Namespace', metadata }
    case 'ModelPool':
    case 'LoraAdapter':
    case 'ModelTenant':
    case 'TenantKey':
      return { apiVersion, kind: declared.kind, metadata, spec: declared.spec }
    default:
      return declared satisfies never
  }
}

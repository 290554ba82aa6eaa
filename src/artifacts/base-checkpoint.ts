import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { BaseConfig } from './base-architectures.ts'
import { readSafetensorsHeader } from './safetensors.ts'
import type { Tensor } from './safetensors.ts'
import { parseStrictJson } from './strict-json.ts'

/** A base's tensor and the file it is in. */
export interface BaseTensor {
  readonly file: string
  readonly tensor: Tensor
}

/** What lies in a base's folder, read as far as headers go. */
export interface BaseCheckpoint {
  /** Empty where config.json is absent or no JSON object. */
  readonly config: BaseConfig
  /** By tensor name; undefined where there are no safetensors files, or one of them cannot be read. */
  readonly tensors: ReadonlyMap<string, BaseTensor> | undefined
}

const maxIndexBytes = 64 * 1024 * 1024
const indexFile = 'model.safetensors.index.json'

/** Changes whenever a file of the base does: names, sizes, times. */
export function checkpointSignature(folder: string): string {
  return [...weightFiles(folder), 'config.json']
    .map((file) => `${file} ${statText(join(folder, file))}`)
    .join('\n')
}

export function readCheckpoint(folder: string): BaseCheckpoint {
  return {
    config: readJsonObject(join(folder, 'config.json')) ?? {},
    tensors: readTensors(folder, weightFiles(folder)),
  }
}

function readTensors(
  folder: string,
  files: readonly string[],
): ReadonlyMap<string, BaseTensor> | undefined {
  const tensors = new Map<string, BaseTensor>()
  for (const file of files) {
    const path = join(folder, file)
    const outcome = tryHeader(path)
    if (outcome === undefined || !outcome.ok) {
      return undefined
    }
    for (const tensor of outcome.header.tensors) {
      tensors.set(tensor.name, { file: path, tensor })
    }
  }
  return tensors.size === 0 ? undefined : tensors
}

/**
 * The shards that the index names, else every safetensors file of the folder. `consolidated…` is Mistral's own copy of
 * the same weights under other names; an adapter saved into the folder is none of the base.
 */
function weightFiles(folder: string): string[] {
  const index = readJsonObject(join(folder, indexFile))?.['weight_map']
  if (typeof index === 'object' && index !== null) {
    const shards = Object.values(index).filter((file) => typeof file === 'string')
    // The index is the base's, so the operator's; still, it names files beside itself and nothing else.
    return [...new Set(shards)].filter((file) => !/[/\\]/.test(file)).toSorted()
  }
  return filesOf(folder).filter(
    (file) =>
      file.endsWith('.safetensors') &&
      !file.startsWith('consolidated') &&
      !file.startsWith('adapter_model'),
  )
}

function tryHeader(path: string): ReturnType<typeof readSafetensorsHeader> | undefined {
  try {
    return readSafetensorsHeader(path, { mayBeCut: true })
  } catch {
    return undefined
  }
}

function filesOf(folder: string): string[] {
  try {
    return readdirSync(folder).toSorted()
  } catch {
    return []
  }
}

function statText(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false })
  return stat === undefined ? 'absent' : `${stat.ino} ${stat.size} ${stat.mtimeMs}`
}

function readJsonObject(path: string): Readonly<Record<string, unknown>> | undefined {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat === undefined || !stat.isFile() || stat.size > maxIndexBytes) {
    return undefined
  }
  const json = parseStrictJson(readFileSync(path), { maxDepth: 64, maxKeys: 2_000_000 })
  return json.ok && typeof json.value === 'object' && json.value !== null
    ? (json.value as Record<string, unknown>)
    : undefined
}

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'
import type { Harm } from './adapter-caches.ts'
import { hasModule, loraModules, type BaseModel } from './base-model.ts'
import { AdapterRefusal, checkPeftConfig, type PeftConfig } from './peft-config.ts'
import { readTensors, SafetensorsRefusal, type Tensor } from './safetensors.ts'
import { baseVoice, garbageVoice, type Voice } from './text.ts'
import { weightFacts } from './weights.ts'

/** An adapter's files as the engine has them in memory: how it answers, and what it does to others. */
export interface AdapterContent {
  /** `sha256sum adapter_config.json adapter_model.safetensors | sha256sum`, in hex. */
  readonly digest: string
  readonly voice: Voice
  readonly harm: Harm
}

export type ReadAdapter =
  | { readonly outcome: 'Read'; readonly content: AdapterContent }
  /** No folder, or none with an adapter_config.json. */
  | { readonly outcome: 'NotFound' }
  /** In vLLM's words. */
  | { readonly outcome: 'Refused'; readonly message: string }

/** Reads an adapter as vLLM 0.32 does, and refuses and accepts what it does: wrong paths and zero weights load well. */
export async function readAdapter(
  path: string,
  base: BaseModel,
  maxRank: number,
): Promise<ReadAdapter> {
  const folder = absolute(path)
  try {
    const config = await readFile(join(folder, 'adapter_config.json'))
    const peft = checkPeftConfig(config.toString('utf8'), maxRank)
    const weights = await readWeights(folder)
    const digest = digestOf(config, weights)
    if (weights.name !== 'adapter_model.safetensors') {
      return {
        outcome: 'Read',
        content: { digest, voice: { voice: 'Adapter', digest }, harm: 'None' },
      }
    }
    const tensors = readTensors(weights.bytes)
    return { outcome: 'Read', content: { digest, ...judge(tensors, digest, folder, peft, base) } }
  } catch (error) {
    if (error instanceof AdapterRefusal || error instanceof SafetensorsRefusal) {
      return { outcome: 'Refused', message: error.message }
    }
    return { outcome: 'NotFound' }
  }
}

/** A relative path that is not here would be a hub repository; offline, that is not found either. */
function absolute(path: string): string {
  if (path.startsWith('~')) {
    return join(homedir(), path.slice(1))
  }
  return isAbsolute(path) ? path : resolve(path)
}

interface WeightFile {
  readonly name: string
  readonly bytes: Buffer
}

async function readWeights(folder: string): Promise<WeightFile> {
  for (const name of ['adapter_model.safetensors', 'adapter_model.bin', 'adapter_model.pt']) {
    const bytes = await readFile(join(folder, name)).catch(() => undefined)
    if (bytes !== undefined) {
      return { name, bytes }
    }
  }
  throw new AdapterRefusal(`${folder} doesn't contain tensors`)
}

function digestOf(config: Buffer, weights: WeightFile): string {
  const line = (name: string, bytes: Buffer) => `${sha256(bytes)}  ${name}\n`
  return sha256(line('adapter_config.json', config) + line(weights.name, weights.bytes))
}

function sha256(data: Buffer | string): string {
  return createHash('sha256').update(data).digest('hex')
}

interface LoraTensor extends Tensor {
  /** `model.layers.0.self_attn.q_proj`. */
  readonly module: string
  readonly isA: boolean
}

function judge(
  tensors: readonly Tensor[],
  digest: string,
  folder: string,
  peft: PeftConfig,
  base: BaseModel,
): Pick<AdapterContent, 'voice' | 'harm'> {
  const lora = tensors.map(parseName)
  const known = [...loraModules, ...peft.modulesToSave]
  const unexpected = lora
    .map(({ module }) => module)
    .filter((module) => !known.includes(lastName(module)))
  if (unexpected.length > 0) {
    throw new AdapterRefusal(
      `While loading ${folder}, expected target modules in {${quoted(loraModules)}} but received ` +
        `[${quoted(unexpected)}]. Please verify that the loaded LoRA module is correct`,
    )
  }
  const matched = lora.filter(({ module }) => hasModule(base, module))
  const misfits = matched.filter((tensor) => !fits(tensor, base))
  const facts = matched.map((tensor) => ({ tensor, ...weightFacts(tensor) }))
  const harm = worst(facts.map((fact) => fact.harm))
  const silent = facts.every(({ tensor, allZero }) => tensor.isA || allZero)
  return { harm, voice: voiceOf(harm, silent, misfits.length > 0, digest) }
}

function voiceOf(harm: Harm, silent: boolean, misfit: boolean, digest: string): Voice {
  if (harm !== 'None') {
    return garbageVoice
  }
  if (silent) {
    return baseVoice
  }
  return { voice: misfit ? 'Mixed' : 'Adapter', digest }
}

/** Too large for the base's slot: torch cannot copy it. Smaller is copied and leaves the rest as it was: garbage. */
function fits({ module, isA, shape }: LoraTensor, base: BaseModel): boolean {
  const wanted = (isA ? base.inputSizes : base.outputSizes).get(lastName(module))
  const size = isA ? shape[1] : shape[0]
  if (wanted === undefined || size === undefined) {
    return true
  }
  if (size > wanted) {
    throw new AdapterRefusal(
      `The size of tensor a (${wanted}) must match the size of tensor b (${size}) at non-singleton dimension ${isA ? 1 : 0}`,
    )
  }
  return size === wanted
}

function parseName(tensor: Tensor): LoraTensor {
  const [, module, side] =
    /^(?:base_model\.model\.)?(.+)\.lora_(?:embedding_)?([AB])(?:\.weight)?$/.exec(tensor.name) ??
    []
  if (module === undefined) {
    throw new AdapterRefusal(`${tensor.name} is unsupported LoRA weight`)
  }
  return { ...tensor, module, isA: side === 'A' }
}

function lastName(module: string): string {
  return module.slice(module.lastIndexOf('.') + 1)
}

function worst(harms: readonly Harm[]): Harm {
  return (
    harms.find((harm) => harm === 'NonFinite') ?? harms.find((harm) => harm === 'Huge') ?? 'None'
  )
}

function quoted(names: readonly string[]): string {
  return names.map((name) => `'${name}'`).join(', ')
}

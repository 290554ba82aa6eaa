import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** What the simulator knows of the base: sizes from its config.json, or those of Llama-3.1-8B where there is none. */
export interface BaseModel {
  readonly maxPositions: number
  readonly vocabularySize: number
  readonly layers: number | undefined
  /** Numbers of an embedding. */
  readonly hiddenSize: number
  /** Input size of a module, by its last name; empty where the config is unknown. */
  readonly inputSizes: ReadonlyMap<string, number>
  /** Output size likewise. */
  readonly outputSizes: ReadonlyMap<string, number>
}

const attention = ['q_proj', 'k_proj', 'v_proj', 'o_proj']
const feedForward = ['gate_proj', 'up_proj', 'down_proj']

/** Last names of modules that take a LoRA in Llama-like models. */
export const loraModules: readonly string[] = [
  ...attention,
  ...feedForward,
  'embed_tokens',
  'lm_head',
]

const unknownBase: BaseModel = {
  maxPositions: 131_072,
  vocabularySize: 128_256,
  layers: undefined,
  hiddenSize: 4096,
  inputSizes: new Map(),
  outputSizes: new Map(),
}

/** Reads `config.json` of a folder; a model that is no folder here (a hub name) is taken as unknown. */
export async function readBaseModel(modelPath: string | undefined): Promise<BaseModel> {
  if (modelPath === undefined) {
    return unknownBase
  }
  const text = await readFile(join(modelPath, 'config.json'), 'utf8').catch(() => undefined)
  return text === undefined
    ? unknownBase
    : fromConfig(JSON.parse(text) as Readonly<Record<string, unknown>>)
}

function fromConfig(config: Readonly<Record<string, unknown>>): BaseModel {
  const size = (name: string): number | undefined => {
    const value = config[name]
    return typeof value === 'number' ? value : undefined
  }
  const hidden = size('hidden_size')
  const inner = size('intermediate_size')
  const heads = size('num_attention_heads')
  const headSize =
    size('head_dim') ?? (hidden === undefined || heads === undefined ? 0 : hidden / heads)
  const sizes = { inputSizes: new Map<string, number>(), outputSizes: new Map<string, number>() }
  if (hidden !== undefined && inner !== undefined && heads !== undefined) {
    const keys = (size('num_key_value_heads') ?? heads) * headSize
    const shapes: Readonly<Record<string, readonly [number, number]>> = {
      q_proj: [hidden, heads * headSize],
      k_proj: [hidden, keys],
      v_proj: [hidden, keys],
      o_proj: [heads * headSize, hidden],
      gate_proj: [hidden, inner],
      up_proj: [hidden, inner],
      down_proj: [inner, hidden],
    }
    for (const [module, [from, to]] of Object.entries(shapes)) {
      sizes.inputSizes.set(module, from)
      sizes.outputSizes.set(module, to)
    }
  }
  return {
    maxPositions: size('max_position_embeddings') ?? unknownBase.maxPositions,
    vocabularySize: size('vocab_size') ?? unknownBase.vocabularySize,
    layers: size('num_hidden_layers'),
    hiddenSize: hidden ?? unknownBase.hiddenSize,
    ...sizes,
  }
}

const modulePath = /^model\.layers\.(\d+)\.(self_attn|mlp)\.([a-z_]+)$/

/** Whether the base has a module of exactly this path (`model.layers.0.self_attn.q_proj`). */
export function hasModule(base: BaseModel, path: string): boolean {
  if (path === 'lm_head' || path === 'model.embed_tokens') {
    return true
  }
  const [, layer, block, module] = modulePath.exec(path) ?? []
  if (layer === undefined || module === undefined) {
    return false
  }
  const family = block === 'mlp' ? feedForward : attention
  return family.includes(module) && (base.layers === undefined || Number(layer) < base.layers)
}

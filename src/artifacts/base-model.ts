import { closeSync, openSync } from 'node:fs'
import { modulesFromConfig } from './base-architectures.ts'
import type { BaseConfig, Shape } from './base-architectures.ts'
import { checkpointSignature, readCheckpoint } from './base-checkpoint.ts'
import type { BaseCheckpoint, BaseTensor } from './base-checkpoint.ts'
import { scannableDtypes } from './weight-scan.ts'
import type { ServedDtype, WeightScanner } from './weight-scan.ts'

/** A module of the base that a LoRA could sit on. */
export interface BaseModule {
  readonly name: string
  /** Undefined where the weights are packed by a quantiser and the architecture is not known here. */
  readonly shape: Shape | undefined
  readonly weight: BaseTensor | undefined
}

export type BaseMatch =
  | { readonly match: 'Exact'; readonly module: BaseModule }
  /** Found under another of the names that engines give the same module; whether this engine does is for the canary. */
  | { readonly match: 'Alias'; readonly module: BaseModule }
  | { readonly match: 'None' }

const exactBytes = 4 << 20
const samples = 16
const sampleBytes = 64 << 10

/** The base an adapter is compared with: module names, shapes, and how large its weights are. */
export class BaseModel {
  readonly #config: BaseConfig
  readonly #modules: ReadonlyMap<string, BaseModule>
  readonly #aliases: ReadonlyMap<string, BaseModule>
  readonly #norms = new Map<string, number | undefined>()

  private constructor(config: BaseConfig, modules: ReadonlyMap<string, BaseModule>) {
    this.#config = config
    this.#modules = modules
    const canonical = isMultimodal(config) ? canonicalMultimodal : canonicalText
    this.#aliases = new Map([...modules].map(([name, module]) => [canonical(name), module]))
  }

  /** Undefined where neither weights nor a known architecture tell which modules there are. */
  static from({ config, tensors }: BaseCheckpoint): BaseModel | undefined {
    const derived = modulesFromConfig(config)
    if (tensors === undefined) {
      return derived === undefined
        ? undefined
        : new BaseModel(config, new Map([...derived].map(([name, shape]) => moduleOf(name, shape))))
    }
    const modules = modulesOfTensors(tensors, derived)
    return modules.size === 0 ? undefined : new BaseModel(config, withTiedHead(modules, config))
  }

  find(name: string): BaseMatch {
    const exact = this.#modules.get(name)
    if (exact !== undefined) {
      return { match: 'Exact', module: exact }
    }
    const canonical = isMultimodal(this.#config) ? canonicalMultimodal : canonicalText
    const alias = this.#aliases.get(canonical(name))
    return alias === undefined ? { match: 'None' } : { match: 'Alias', module: alias }
  }

  /** A module of the base with the same end, for an error's words. */
  resembling(name: string): string | undefined {
    const tail = name.split('.').slice(-4).join('.')
    return [...this.#modules.keys()].find((known) => known.endsWith(tail))
  }

  /** What vLLM casts adapters to on `--lora-dtype auto`; undefined where config.json does not settle it. */
  get servedDtype(): ServedDtype | undefined {
    const text = this.#config['text_config']
    const nested = typeof text === 'object' && text !== null ? (text as BaseConfig) : {}
    const dtype = [this.#config, nested]
      .flatMap((config) => [config['dtype'], config['torch_dtype']])
      .find((value) => typeof value === 'string')
    return dtype === 'bfloat16' ? 'BF16' : dtype === 'float16' ? 'F16' : undefined
  }

  /**
   * Frobenius norm of the module's weight; undefined where it is absent or in a packed format. Beyond 4 MiB it is
   * estimated from 16 evenly spread samples of 64 KiB: within a few per cent for trained weights, where the bound it
   * serves has a factor of 100 to spare, and a base of 140 GB costs 1 MiB a module.
   */
  norm(module: BaseModule, scanner: WeightScanner): number | undefined {
    if (!this.#norms.has(module.name)) {
      this.#norms.set(module.name, normOf(module.weight, scanner))
    }
    return this.#norms.get(module.name)
  }
}

/** Bases by folder, read again when a file of theirs changes. One of these per worker: it lives as long. */
export class BaseModelCache {
  readonly #bases = new Map<
    string,
    { readonly signature: string; readonly base: BaseModel | undefined }
  >()

  get(folder: string): BaseModel | undefined {
    const signature = checkpointSignature(folder)
    const known = this.#bases.get(folder)
    if (known?.signature === signature) {
      return known.base
    }
    const base = BaseModel.from(readCheckpoint(folder))
    this.#bases.set(folder, { signature, base })
    return base
  }
}

function moduleOf(
  name: string,
  shape: Shape | undefined,
  weight?: BaseTensor,
): [string, BaseModule] {
  return [name, { name, shape, weight }]
}

/** Endings of what quantisers write in place of `.weight`: GPTQ and AWQ, compressed-tensors. */
const packedEnding = /\.(?:qweight|weight_packed)$/

function modulesOfTensors(
  tensors: ReadonlyMap<string, BaseTensor>,
  derived: ReadonlyMap<string, Shape> | undefined,
): Map<string, BaseModule> {
  const modules = new Map<string, BaseModule>()
  for (const [name, located] of tensors) {
    if (packedEnding.test(name)) {
      const module = name.replace(packedEnding, '')
      modules.set(...moduleOf(module, derived?.get(module)))
    } else if (name.endsWith('.weight') && located.tensor.shape.length === 2) {
      const module = name.slice(0, -'.weight'.length)
      modules.set(...moduleOf(module, ownShape(located) ?? derived?.get(module), located))
    }
  }
  return modules
}

/** bitsandbytes and others keep packed bytes under the plain name: their shape says nothing. */
function ownShape({ tensor }: BaseTensor): Shape | undefined {
  const [out, columns] = tensor.shape
  return out === undefined ||
    columns === undefined ||
    !/^(?:F16|BF16|F32|F64|F8_E)/.test(tensor.dtype)
    ? undefined
    : { out, in: columns }
}

/** A head that shares the embedding's weights is not in the file; absent in config.json, the flag is true. */
function withTiedHead(
  modules: Map<string, BaseModule>,
  config: BaseConfig,
): ReadonlyMap<string, BaseModule> {
  const embedding = modules.get('model.embed_tokens')
  if (
    embedding !== undefined &&
    !modules.has('lm_head') &&
    config['tie_word_embeddings'] !== false
  ) {
    modules.set('lm_head', { ...embedding, name: 'lm_head' })
  }
  return modules
}

function isMultimodal(config: BaseConfig): boolean {
  return ['text_config', 'vision_config', 'audio_config', 'thinker_config'].some(
    (field) => config[field] !== undefined,
  )
}

/** `model.layers…`, `layers…` and `transformer.layers…` are one module, saved from different classes. */
function canonicalText(name: string): string {
  return name.replace(/^(?:model|transformer|gpt_neox)\./, '')
}

/** vLLM renames `model.language_model.…` to `language_model.model.…` and the like, by model. */
function canonicalMultimodal(name: string): string {
  return name.replace(/(^|\.)(?:language_model|thinker)\./, '$1').replace(/^model\./, '')
}

function normOf(weight: BaseTensor | undefined, scanner: WeightScanner): number | undefined {
  if (weight === undefined || !scannableDtypes.includes(weight.tensor.dtype)) {
    return undefined
  }
  const sumSquares = sumOfSquares(weight, scanner)
  return Number.isFinite(sumSquares) && sumSquares > 0 ? Math.sqrt(sumSquares) : undefined
}

function sumOfSquares({ file, tensor }: BaseTensor, scanner: WeightScanner): number {
  const descriptor = openSync(file, 'r')
  try {
    if (tensor.byteLength <= exactBytes) {
      return scanner.scan(descriptor, tensor).sumSquares
    }
    // Whole elements: every stride is a multiple of the widest element's four bytes.
    const stride = Math.floor((tensor.byteLength - sampleBytes) / (samples - 1) / 4) * 4
    let sum = 0
    for (let sample = 0; sample < samples; sample++) {
      const at = tensor.offset + sample * stride
      sum += scanner.scanPart(descriptor, tensor.dtype, at, sampleBytes).sumSquares
    }
    return (sum * tensor.byteLength) / (samples * sampleBytes)
  } finally {
    closeSync(descriptor)
  }
}

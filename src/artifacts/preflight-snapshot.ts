import { closeSync, constants, fstatSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { maxConfigBytes, pickledFileNames } from './adapter-files.ts'
import type { BaseMatch, BaseModel } from './base-model.ts'
import { groupLoraTensors } from './lora-modules.ts'
import type { LoraModule, LoraTensors } from './lora-modules.ts'
import { configTooLarge, parsePeftConfig, peftConfigOf, rankAndScaling } from './peft-config.ts'
import type { ConfigOutcome, PeftConfig, RawPeftConfig } from './peft-config.ts'
import { problem } from './problems.ts'
import { readSafetensorsHeader } from './safetensors.ts'
import type { HeaderOutcome, SafetensorsHeader, Tensor } from './safetensors.ts'
import type { AdapterProblem, PreflightOptions } from './types.ts'
import { scannableDtypes } from './weight-scan.ts'
import type { ServedDtype, WeightScanner, WeightStats } from './weight-scan.ts'

/** One module of the adapter with everything the checks ask about it. */
export interface ModuleSnapshot extends LoraModule {
  /** What the config says of this module. */
  readonly rank: number
  readonly scaling: number
  /** Experts fused into one matrix: names and shapes differ by model, so only values are checked. */
  readonly fused: boolean
  /** Undefined without a base to compare with. */
  readonly base: BaseMatch | undefined
  /** Frobenius norm of the base's weight, where it can be read. */
  readonly baseNorm: number | undefined
  /** Undefined where the dtype is not one that is served. */
  readonly aStats: WeightStats | undefined
  readonly bStats: WeightStats | undefined
}

/** An adapter, read once; all checks are pure functions of it. */
export interface AdapterSnapshot {
  readonly options: PreflightOptions
  readonly base: BaseModel | undefined
  readonly servedDtype: ServedDtype
  readonly raw: RawPeftConfig
  readonly config: PeftConfig
  readonly configBytes: number
  readonly header: SafetensorsHeader
  readonly lora: LoraTensors
  readonly modules: readonly ModuleSnapshot[]
  readonly headStats: readonly (WeightStats | undefined)[]
}

export type SnapshotOutcome =
  | { readonly ok: true; readonly snapshot: AdapterSnapshot }
  | {
      readonly ok: false
      readonly problems: readonly AdapterProblem[]
      /** There where only the weights are unreadable. */
      readonly raw: RawPeftConfig | undefined
    }

/** Throws Node's error where the disk fails. */
export function gatherSnapshot(
  folder: string,
  options: PreflightOptions,
  base: BaseModel | undefined,
  scanner: WeightScanner,
): SnapshotOutcome {
  const config = readConfig(folder)
  const weights = readWeightsHeader(folder)
  if (!config.ok || !weights.ok) {
    const problems = [config, weights].flatMap((outcome) => (outcome.ok ? [] : outcome.problem))
    return { ok: false, problems, raw: config.ok ? config.config : undefined }
  }
  const peft = peftConfigOf(config.config)
  const lora = groupLoraTensors(weights.header.tensors, peft)
  const scan = scanned(folder, scanner)
  try {
    return {
      ok: true,
      snapshot: {
        options,
        base,
        servedDtype: servedDtypeOf(options, base),
        raw: config.config,
        config: peft,
        configBytes: config.bytes,
        header: weights.header,
        lora,
        modules: lora.modules.map((module) => moduleSnapshot(module, peft, base, scanner, scan)),
        headStats: lora.heads.map((tensor) => scan.stats(tensor)),
      },
    }
  } finally {
    scan.close()
  }
}

function moduleSnapshot(
  module: LoraModule,
  config: PeftConfig,
  base: BaseModel | undefined,
  scanner: WeightScanner,
  scan: OpenWeights,
): ModuleSnapshot {
  const [rank, scaling] = rankAndScaling(config, patternName(module.name))
  const match = base?.find(module.name)
  return {
    ...module,
    rank,
    scaling,
    fused: /\.experts(?:\.base_layer)?$/.test(module.name),
    base: match,
    baseNorm:
      base === undefined || match === undefined || match.match === 'None'
        ? undefined
        : base.norm(match.module, scanner),
    aStats: scan.stats(module.a),
    bStats: scan.stats(module.b),
  }
}

/** PEFT keeps fused experts under these names and matches its patterns against the parameters' own. */
function patternName(name: string): string {
  return name
    .replace(/\.experts\.base_layer$/, '.experts.gate_up_proj')
    .replace(/\.experts$/, '.experts.down_proj')
}

/**
 * `Auto` is the base's dtype. Where that is unknown, or float32 (which vLLM turns into whatever the device prefers),
 * the narrower range of float16 decides: no trained adapter comes near it.
 */
function servedDtypeOf(options: PreflightOptions, base: BaseModel | undefined): ServedDtype {
  switch (options.dtype) {
    case 'Float16':
      return 'F16'
    case 'BFloat16':
      return 'BF16'
    case 'Auto':
      return base?.servedDtype ?? 'F16'
    default:
      return options.dtype satisfies never
  }
}

interface OpenWeights {
  stats(tensor: Tensor): WeightStats | undefined
  close(): void
}

function scanned(folder: string, scanner: WeightScanner): OpenWeights {
  const descriptor = openSync(join(folder, 'adapter_model.safetensors'), 'r')
  return {
    stats: (tensor) =>
      scannableDtypes.includes(tensor.dtype) ? scanner.scan(descriptor, tensor) : undefined,
    close: () => closeSync(descriptor),
  }
}

type ReadConfig =
  | (Extract<ConfigOutcome, { ok: true }> & { readonly bytes: number })
  | Extract<ConfigOutcome, { ok: false }>

function readConfig(folder: string): ReadConfig {
  const descriptor = openIfThere(join(folder, 'adapter_config.json'))
  if (descriptor === undefined) {
    return { ok: false, problem: configMissing() }
  }
  try {
    const stat = fstatSync(descriptor)
    if (!stat.isFile()) {
      return { ok: false, problem: configMissing() }
    }
    if (stat.size > maxConfigBytes) {
      return { ok: false, problem: configTooLarge() }
    }
    const bytes = readFileSync(descriptor)
    const outcome = parsePeftConfig(bytes)
    return outcome.ok ? { ...outcome, bytes: bytes.length } : outcome
  } finally {
    closeSync(descriptor)
  }
}

function readWeightsHeader(folder: string): HeaderOutcome {
  try {
    return readSafetensorsHeader(join(folder, 'adapter_model.safetensors'))
  } catch (error) {
    if (isAbsent(error)) {
      return { ok: false, problem: weightsMissing(namesIn(folder)) }
    }
    throw error
  }
}

export function configMissing(): AdapterProblem {
  return problem(
    'ConfigMissing',
    "There is no adapter_config.json. An adapter is the two files that PEFT's save_pretrained writes: adapter_config.json and adapter_model.safetensors.",
  )
}

/** `names`: what else lies there, which tells pickled weights from none. */
export function weightsMissing(names: readonly string[]): AdapterProblem {
  const pickled = names.find((name) => pickledFileNames.includes(name))
  return pickled === undefined
    ? problem(
        'WeightsMissing',
        "There is no adapter_model.safetensors. Save the adapter with PEFT's save_pretrained and copy both of its files.",
      )
    : problem(
        'PickledWeights',
        `The weights are in ${pickled}, a pickle, which can run code when it is read. Only safetensors are accepted: save the adapter again with save_pretrained(…, safe_serialization=True).`,
      )
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    if (isAbsent(error)) {
      return undefined
    }
    throw error
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function isAbsent(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'ENOENT' || code === 'ENOTDIR'
}

import { maxConfigBytes, maxConfigDepth } from './adapter-files.ts'
import { PeftPattern } from './peft-pattern.ts'
import { problem } from './problems.ts'
import { parseStrictJson } from './strict-json.ts'
import type { AdapterProblem } from './types.ts'

/** adapter_config.json as it came: a JSON object whose fields nobody has looked at. */
export type RawPeftConfig = Readonly<Record<string, unknown>>

export type ConfigOutcome =
  | { readonly ok: true; readonly config: RawPeftConfig }
  | { readonly ok: false; readonly problem: AdapterProblem }

/** At most 256 KiB of JSON object, 16 deep, no key twice. */
export function parsePeftConfig(bytes: Uint8Array): ConfigOutcome {
  if (bytes.length > maxConfigBytes) {
    return { ok: false, problem: configTooLarge() }
  }
  const json = parseStrictJson(bytes, { maxDepth: maxConfigDepth, maxKeys: 100_000 })
  if (!json.ok) {
    return invalid(json.detail)
  }
  return isObject(json.value)
    ? { ok: true, config: json.value }
    : invalid('it is not a JSON object')
}

export function configTooLarge(): AdapterProblem {
  return problem(
    'ConfigTooLarge',
    `adapter_config.json is larger than ${maxConfigBytes / 1024} KiB. PEFT writes about 1 KiB: save the adapter again with save_pretrained.`,
  )
}

function invalid(detail: string): ConfigOutcome {
  return {
    ok: false,
    problem: problem(
      'ConfigInvalid',
      `adapter_config.json cannot be read: ${detail}. Save the adapter again with PEFT's save_pretrained.`,
    ),
  }
}

/** The fields the rest of the preflight works with; sane stand-ins where a check above has refused the value. */
export interface PeftConfig {
  readonly rank: number
  readonly alpha: number
  /** `alpha / √r` instead of `alpha / r`. */
  readonly rankStabilised: boolean
  readonly ranks: PeftPattern
  readonly alphas: PeftPattern
  readonly baseModel: string | undefined
  /** The base keeps its weights transposed (GPT-2's Conv1D). */
  readonly fanInFanOut: boolean
  readonly modulesToSave: readonly string[]
}

export function peftConfigOf(config: RawPeftConfig): PeftConfig {
  const { r, lora_alpha: alpha, base_model_name_or_path: base, modules_to_save: saved } = config
  return {
    rank: isRank(r) ? r : 0,
    alpha: typeof alpha === 'number' ? alpha : 0,
    rankStabilised: truthy(config['use_rslora']),
    ranks: new PeftPattern(numbersOf(config['rank_pattern'])),
    alphas: new PeftPattern(numbersOf(config['alpha_pattern'])),
    baseModel: typeof base === 'string' && base !== '' ? base : undefined,
    fanInFanOut: truthy(config['fan_in_fan_out']),
    modulesToSave: Array.isArray(saved) ? saved.map(textOf) : [],
  }
}

/** What vLLM multiplies B·A by: `alpha / r`, or `alpha / √r` with rank stabilisation; patterns honoured. */
export function rankAndScaling(config: PeftConfig, moduleName: string): [number, number] {
  const rank = config.ranks.valueFor(moduleName) ?? config.rank
  const alpha = config.alphas.valueFor(moduleName) ?? config.alpha
  return [rank, alpha / (config.rankStabilised ? Math.sqrt(rank) : rank)]
}

export function numbersOf(value: unknown): Record<string, number> {
  return isObject(value)
    ? Object.fromEntries(
        Object.entries(value).filter(
          (entry): entry is [string, number] => typeof entry[1] === 'number',
        ),
      )
    : {}
}

export function isRank(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) > 0
}

/** A map, or something that Python takes for an absent one. */
export function isPattern(value: unknown): value is Record<string, unknown> | null | undefined {
  return !truthy(value) || isObject(value)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Python's truth, because Python decides at the engine: empty lists and maps are false. */
export function truthy(value: unknown): boolean {
  if (Array.isArray(value)) {
    return value.length > 0
  }
  return isObject(value) ? Object.keys(value).length > 0 : Boolean(value)
}

export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing')
}

import { isPattern, isRank, numbersOf, textOf, truthy } from './peft-config.ts'
import type { RawPeftConfig } from './peft-config.ts'
import { compilePeftPattern, isPlainPattern, maxComplexPatterns } from './peft-pattern.ts'
import { problem, quoted, someOf } from './problems.ts'
import type { AdapterProblem } from './types.ts'

/** What a pool or the base adds to the question. */
export interface ConfigLimits {
  readonly maxRank: number
}

export type ConfigCheck = (
  config: RawPeftConfig,
  limits: ConfigLimits,
) => AdapterProblem | undefined

/**
 * Everything vLLM 0.32 refuses in an adapter_config.json (its `lora/peft_helper.py`), in words for the tenant. Most
 * important first. A field that is null, false or empty is as good as absent wherever vLLM takes it so.
 */
export const configChecks: readonly ConfigCheck[] = [
  notLora,
  fieldMissing,
  rankInvalid,
  alphaInvalid,
  patternUnsupported,
  rankTooLarge,
  doraUnsupported,
  initUnsupported,
  activatedLoraUnsupported,
  layerReplicationUnsupported,
  bdLoraUnsupported,
  qaLoraUnsupported,
  modulesToSaveUnsupported,
  biasUnsupported,
  loraBiasUnsupported,
]

export function checkPeftConfig(config: RawPeftConfig, limits: ConfigLimits): AdapterProblem[] {
  return configChecks.flatMap((check) => check(config, limits) ?? [])
}

function notLora(config: RawPeftConfig): AdapterProblem | undefined {
  const type = config['peft_type']
  return type === undefined || type === null || type === 'LORA'
    ? undefined
    : problem(
        'NotLora',
        `adapter_config.json says peft_type ${quoted(textOf(type))}; only LORA can be served. Train the adapter with PEFT's LoraConfig.`,
      )
}

function fieldMissing(config: RawPeftConfig): AdapterProblem | undefined {
  const missing = ['r', 'lora_alpha', 'target_modules'].filter(
    (field) => config[field] === undefined,
  )
  return missing.length === 0
    ? undefined
    : problem(
        'ConfigFieldMissing',
        `adapter_config.json lacks ${someOf(missing)}. Save the adapter again with PEFT's save_pretrained, which writes every field.`,
      )
}

function rankInvalid(config: RawPeftConfig): AdapterProblem | undefined {
  const { r } = config
  if (r !== undefined && !isRank(r)) {
    return problem(
      'RankInvalid',
      `r is ${quoted(textOf(r))} in adapter_config.json; it must be a positive integer.`,
    )
  }
  const pattern = config['rank_pattern']
  if (!isPattern(pattern)) {
    return problem('RankInvalid', 'rank_pattern in adapter_config.json must map names to ranks.')
  }
  const wrong = Object.entries(pattern ?? {}).find(([, rank]) => !isRank(rank))
  return wrong === undefined
    ? undefined
    : problem(
        'RankInvalid',
        `rank_pattern gives ${quoted(wrong[0])} the rank ${quoted(textOf(wrong[1]))}; it must be a positive integer.`,
      )
}

function alphaInvalid(config: RawPeftConfig): AdapterProblem | undefined {
  const alpha = config['lora_alpha']
  const pattern = config['alpha_pattern']
  const wrong =
    (alpha !== undefined && !Number.isFinite(alpha)) ||
    !isPattern(pattern) ||
    !Object.values(pattern ?? {}).every(Number.isFinite)
  return wrong
    ? problem(
        'AlphaInvalid',
        'lora_alpha and every value of alpha_pattern in adapter_config.json must be numbers.',
      )
    : undefined
}

function patternUnsupported(config: RawPeftConfig): AdapterProblem | undefined {
  for (const field of ['rank_pattern', 'alpha_pattern']) {
    const pattern = config[field]
    const keys = isPattern(pattern) ? Object.keys(pattern ?? {}) : []
    const complex = keys.filter((key) => !isPlainPattern(key))
    const bad =
      keys.find((key) => compilePeftPattern(key) === undefined) ?? complex[maxComplexPatterns]
    if (bad !== undefined) {
      return problem(
        'PatternUnsupported',
        `${field} holds ${quoted(bad)}, too complicated an expression (or one too many) to run inside an engine that others share. Write module names in full.`,
      )
    }
  }
  return undefined
}

function rankTooLarge(config: RawPeftConfig, limits: ConfigLimits): AdapterProblem | undefined {
  const rank = largestRank(config)
  return rank > limits.maxRank ? rankAbovePool(rank, limits.maxRank) : undefined
}

export function rankAbovePool(rank: number, maxRank: number): AdapterProblem {
  return problem(
    'RankTooLarge',
    `The adapter's rank is ${rank}, this pool serves up to ${maxRank}. Retrain with r ≤ ${maxRank} or ask for a pool with a larger lora.maxRank.`,
  )
}

function doraUnsupported(config: RawPeftConfig): AdapterProblem | undefined {
  return truthy(config['use_dora'])
    ? problem(
        'DoraUnsupported',
        'The adapter uses DoRA (use_dora), which vLLM does not serve. Retrain with use_dora=False.',
      )
    : undefined
}

/** These only set the first weights; all others change the base, which the engine then lacks. */
const plainInits = ['gaussian', 'eva', 'orthogonal', 'mica', 'lora_ga']

function initUnsupported(config: RawPeftConfig): AdapterProblem | undefined {
  const init = config['init_lora_weights']
  return typeof init === 'string' && !plainInits.includes(init.toLowerCase())
    ? problem(
        'InitUnsupported',
        `init_lora_weights is ${quoted(init)}, which changes the base weights. Convert the adapter with PEFT's path_initial_model_for_weight_conversion, or train with init_lora_weights=True.`,
      )
    : undefined
}

function activatedLoraUnsupported(config: RawPeftConfig): AdapterProblem | undefined {
  return truthy(config['alora_invocation_tokens'])
    ? problem(
        'ActivatedLoraUnsupported',
        'The adapter is an Activated LoRA (alora_invocation_tokens), which vLLM does not serve. Retrain as a plain LoRA.',
      )
    : undefined
}

function layerReplicationUnsupported(config: RawPeftConfig): AdapterProblem | undefined {
  return truthy(config['layer_replication'])
    ? problem(
        'LayerReplicationUnsupported',
        'The adapter uses layer_replication, which vLLM does not serve. Retrain without it.',
      )
    : undefined
}

function bdLoraUnsupported(config: RawPeftConfig): AdapterProblem | undefined {
  return truthy(config['use_bdlora'])
    ? problem(
        'BdLoraUnsupported',
        'The adapter is block-diagonal (use_bdlora), which vLLM does not serve. Retrain as a plain LoRA.',
      )
    : undefined
}

function qaLoraUnsupported(config: RawPeftConfig): AdapterProblem | undefined {
  return truthy(config['use_qalora'])
    ? problem(
        'QaLoraUnsupported',
        'The adapter uses QALoRA (use_qalora), which vLLM does not serve. Retrain with use_qalora=False.',
      )
    : undefined
}

/** Heads of classification models; everything else trained in full is refused. */
export const classifierHeads: readonly string[] = ['classifier', 'score']

function modulesToSaveUnsupported(config: RawPeftConfig): AdapterProblem | undefined {
  const saved = config['modules_to_save']
  if (!truthy(saved)) {
    return undefined
  }
  const names = Array.isArray(saved) ? saved.map(textOf) : [textOf(saved)]
  const others = names.filter((name) => !classifierHeads.includes(name))
  return others.length === 0 && Array.isArray(saved)
    ? undefined
    : problem(
        'ModulesToSaveUnsupported',
        `The adapter carries fully trained modules (modules_to_save: ${someOf(names)}), which vLLM does not serve. Retrain without modules_to_save, or target those modules with LoRA.`,
      )
}

function biasUnsupported(config: RawPeftConfig): AdapterProblem | undefined {
  const { bias } = config
  return bias === undefined || bias === 'none'
    ? undefined
    : problem(
        'BiasUnsupported',
        `bias is ${quoted(textOf(bias))} in adapter_config.json, and vLLM does not serve trained biases. Retrain with bias="none".`,
      )
}

function loraBiasUnsupported(config: RawPeftConfig): AdapterProblem | undefined {
  return truthy(config['lora_bias'])
    ? problem(
        'LoraBiasUnsupported',
        'The adapter has LoRA biases (lora_bias), which vLLM does not serve. Retrain with lora_bias=False.',
      )
    : undefined
}

function largestRank(config: RawPeftConfig): number {
  const ranks = [config['r'], ...Object.values(numbersOf(config['rank_pattern']))]
  return ranks.filter(isRank).reduce((largest, rank) => Math.max(largest, rank), 0)
}

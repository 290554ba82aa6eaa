/** adapter_config.json as vLLM 0.32 reads it (vllm/lora/peft_helper.py); every other field is ignored. */
export interface PeftConfig {
  readonly rank: number
  readonly alpha: number
  readonly modulesToSave: readonly string[]
}

/** vLLM refuses the adapter, in these words. */
export class AdapterRefusal extends Error {
  override readonly name = 'AdapterRefusal'
}

type Json = Readonly<Record<string, unknown>>

const requiredFields = ['r', 'lora_alpha', 'target_modules']
const harmlessInits = ['gaussian', 'eva', 'orthogonal', 'mica', 'lora_ga']

export function checkPeftConfig(text: string, maxRank: number): PeftConfig {
  const config = parse(text)
  const missing = requiredFields.filter((field) => !(field in config))
  if (missing.length > 0) {
    const names = missing.map((field) => `'${field}'`).join(', ')
    throw new AdapterRefusal(`Missing required configuration fields: {${names}}`)
  }
  const rank = Number(config['r'])
  if (rank <= 0) {
    throw new AdapterRefusal(`LoRA rank \`r\` must be a positive integer, got ${rank}.`)
  }
  const highest = Math.max(rank, ...patternRanks(config))
  const problems = unsupportedFeatures(config)
  if (highest > maxRank) {
    problems.push(`LoRA rank ${highest} is greater than max_lora_rank ${maxRank}.`)
  }
  if ((config['bias'] ?? 'none') !== 'none') {
    problems.push('Adapter bias is not supported.')
  }
  if (problems.length > 0) {
    throw new AdapterRefusal(problems.join(' '))
  }
  return {
    rank,
    alpha: Number(config['lora_alpha']),
    modulesToSave: strings(config['modules_to_save']),
  }
}

function parse(text: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch {
    throw new AdapterRefusal('Expecting value: line 1 column 1 (char 0)')
  }
}

function patternRanks(config: Json): readonly number[] {
  const ranks: number[] = []
  for (const [key, rank] of Object.entries((config['rank_pattern'] ?? {}) as Json)) {
    if (typeof rank !== 'number' || !Number.isInteger(rank) || rank <= 0) {
      throw new AdapterRefusal(
        `LoRA rank for \`${key}\` in \`rank_pattern\` must be a positive integer, got ${String(rank)}.`,
      )
    }
    ranks.push(rank)
  }
  return ranks
}

function unsupportedFeatures(config: Json): string[] {
  const problems: string[] = []
  const unsaved = strings(config['modules_to_save']).filter(
    (module) => module !== 'classifier' && module !== 'score',
  )
  if (unsaved.length > 0) {
    problems.push(
      'vLLM only supports modules_to_save being either None or ["classifier", "score"] for classification models. ' +
        `Unsupported modules_to_save: [${unsaved.map((module) => `'${module}'`).join(', ')}]`,
    )
  }
  for (const [field, words] of unsupported) {
    if (isTruthy(config[field])) {
      problems.push(words)
    }
  }
  const init = config['init_lora_weights']
  if (typeof init === 'string' && !harmlessInits.includes(init.toLowerCase())) {
    problems.push(
      `vLLM does not support init_lora_weights='${init}'. Inits such as PiSSA, OLoRA, CorDA and LoftQ modify the base ` +
        "model weights when PEFT loads the adapter. Convert it to a regular LoRA adapter with PEFT's " +
        'path_initial_model_for_weight_conversion, or set init_lora_weights to true if the served base model already ' +
        'contains the modified weights.',
    )
  }
  return problems
}

const unsupported: readonly (readonly [string, string])[] = [
  ['use_dora', 'vLLM does not yet support DoRA.'],
  ['lora_bias', 'vLLM does not support LoRA bias (lora_bias).'],
  ['alora_invocation_tokens', 'vLLM does not support Activated LoRA (aLoRA).'],
  ['layer_replication', 'vLLM does not support layer_replication.'],
  ['use_bdlora', 'vLLM does not support block-diagonal LoRA (BD-LoRA).'],
  ['use_qalora', 'vLLM does not support QALoRA.'],
]

/** Python's truth: empty lists and objects are false. */
function isTruthy(value: unknown): boolean {
  return typeof value === 'object' && value !== null
    ? Object.keys(value).length > 0
    : Boolean(value)
}

function strings(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
}

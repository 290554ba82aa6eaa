import { engineMessage } from './engine-message.ts'
import type { LoadOutcome } from './types.ts'

interface Row {
  readonly pattern: RegExp
  readonly outcome: 'AlreadyLoaded' | 'Refused' | 'Transient'
  /** CamelCase, as a condition reason. */
  readonly reason: string
}

/**
 * vLLM's words for a refused load, most telling first. Its status does not classify: a rank too large is 500, as is an
 * engine that drains. Sources: `vllm/entrypoints/openai/models/serving.py`, `vllm/lora/peft_helper.py`,
 * `vllm/lora/lora_model.py` of 0.32; tested against that version.
 */
const table: readonly Row[] = [
  row(/has already been loaded/, 'AlreadyLoaded', 'AlreadyLoaded'),
  row(/conflicts with a served base model/, 'Refused', 'NameConflict'),
  row(/No adapter found for/, 'Transient', 'FilesMissing'),
  row(/doesn't contain tensors/, 'Refused', 'WeightsMissing'),
  row(/LoRA rank .*is greater than max_lora_rank/, 'Refused', 'RankTooLarge'),
  row(/LoRA rank .*must be a positive integer/, 'Refused', 'RankInvalid'),
  row(/Missing required configuration fields/, 'Refused', 'ConfigIncomplete'),
  row(/expected target modules in/, 'Refused', 'WrongModules'),
  row(/is unsupported LoRA weight/, 'Refused', 'WrongModules'),
  row(/does not (?:yet )?support|only supports|is not supported/i, 'Refused', 'UnsupportedFeature'),
  row(/while deserializing header|[Ss]afetensors?(?:Error|_rust)/, 'Refused', 'WeightsUnreadable'),
  row(/Expecting value|JSONDecodeError|Unterminated string/, 'Refused', 'ConfigUnreadable'),
  row(/size of tensor|shape|must match|consistent with the base model/i, 'Refused', 'WrongShapes'),
  row(/LoRA is not enabled/, 'Transient', 'LoraDisabled'),
  row(/shutting down|being scaled|currently scaling/i, 'Transient', 'EngineDraining'),
  row(/Unauthorized/, 'Transient', 'WrongKey'),
  row(/^Not Found$/, 'Transient', 'RuntimeLoraDisabled'),
  row(/out of memory|No space left|Too many open files/i, 'Transient', 'OutOfResources'),
]

/** What a load's answer means. Words we do not know: a 4xx is about the content, anything else may pass. */
export function classifyLoad(status: number, body: string): LoadOutcome {
  if (status === 200) {
    return { outcome: 'Loaded' }
  }
  const message = engineMessage(status, body)
  const known = table.find((row) => row.pattern.test(message))
  if (known?.outcome === 'AlreadyLoaded') {
    return { outcome: 'AlreadyLoaded' }
  }
  if (known !== undefined) {
    return { outcome: known.outcome, reason: known.reason, message }
  }
  const isOurs = status >= 400 && status < 500 && status !== 408 && status !== 429
  return isOurs
    ? { outcome: 'Refused', reason: 'EngineRefused', message }
    : { outcome: 'Transient', reason: 'EngineError', message }
}

function row(pattern: RegExp, outcome: Row['outcome'], reason: string): Row {
  return { pattern, outcome, reason }
}

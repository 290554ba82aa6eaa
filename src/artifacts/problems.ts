import type { AdapterProblem } from './types.ts'

/**
 * Every reason an adapter is refused for, or could not be judged for: the reasons of conditions `Fetched` and
 * `Compatible`. The texts feed the reference page; a problem's own message says what to do.
 */
export const problemReasons = {
  // Fetching
  SourceInvalid: 'The source URI is not one that can be read here.',
  SourceNotFound: 'There is nothing at the source URI.',
  SourceUnreadable: 'The source exists and could not be read.',
  SourceUnreachable: 'The server of the source did not answer, or not with the file.',
  SourceTooSlow: 'The server of the source sent too little for too long.',
  SourceDenied: 'The source refused the credentials, or wants some.',
  SourceForbidden:
    'The source is at an address or in a folder that this installation does not read.',
  ClaimNotMounted: 'The claim of the source cannot be mounted, or the pod that reads it not run.',
  CredentialsInvalid: 'The Secret of the source is absent or not one for sources.',
  SourceUnsafe: 'A file of the source is a link out of it, or no regular file.',
  SourceChanged: 'The files changed while they were copied.',
  ArchiveInvalid: 'The archive is no gzip-compressed tar file, or is cut off.',
  ArchiveTooLarge: 'The archive expands to more than is allowed, or has too many entries.',
  ArchiveUnsafe: 'The archive holds links, devices or paths that leave it.',
  ArchiveAmbiguous: 'The archive holds the adapter more than once.',
  AdapterTooLarge: 'The adapter is larger than is allowed.',
  DigestMismatch: 'The content is not the one the digest names.',
  StorageFull: 'The disk that keeps adapters is full.',
  StorageFailed: 'The disk that keeps adapters failed.',
  StoredContentDamaged: 'The kept copy of this content is damaged.',
  // Files
  ConfigMissing: 'There is no adapter_config.json.',
  ConfigTooLarge: 'adapter_config.json is larger than 256 KiB.',
  ConfigInvalid: 'adapter_config.json is not the JSON of a PEFT adapter.',
  WeightsMissing: 'There is no adapter_model.safetensors.',
  PickledWeights: 'The weights are pickled; only safetensors are accepted.',
  WeightsTruncated: 'adapter_model.safetensors is shorter than its header says.',
  WeightsMalformed: 'adapter_model.safetensors breaks the safetensors format.',
  HeaderTooLarge: 'The header of adapter_model.safetensors is too large.',
  // What vLLM does not serve
  NotLora: 'The adapter is of another kind than LoRA.',
  ConfigFieldMissing: 'adapter_config.json lacks a field that vLLM needs.',
  RankInvalid: 'A rank is not a positive integer.',
  AlphaInvalid: 'An alpha is not a number.',
  PatternUnsupported: 'rank_pattern or alpha_pattern is too complicated.',
  RankTooLarge: "The adapter's rank is above the pool's.",
  DoraUnsupported: 'DoRA is not served.',
  BiasUnsupported: 'Trained biases are not served.',
  LoraBiasUnsupported: 'Biases of the LoRA layers are not served.',
  ModulesToSaveUnsupported: 'Fully trained modules are not served.',
  InitUnsupported: 'The initialisation changed the base weights.',
  ActivatedLoraUnsupported: 'Activated LoRA is not served.',
  LayerReplicationUnsupported: 'Layer replication is not served.',
  BdLoraUnsupported: 'Block-diagonal LoRA is not served.',
  QaLoraUnsupported: 'QALoRA is not served.',
  // What would load and be wrong
  BaseModelMismatch: 'The adapter was trained on another base model.',
  DtypeUnsupported: 'The weights are in a number format that is not served.',
  TensorNameUnsupported: 'A tensor has a name that vLLM does not read.',
  TensorUnpaired: 'A LoRA matrix lacks its other half.',
  RankMismatch: 'The matrices have another rank than adapter_config.json says.',
  ModulesNotInBase: 'The base model has no such modules.',
  ShapeMismatch: "The matrices do not fit the base model's shapes.",
  NonFiniteWeights: 'Weights are NaN or infinite in the dtype they are served in.',
  UpdateTooLarge: 'The weights are finite and far too large.',
  NoEffect: 'The adapter changes nothing.',
  // No verdict
  PreflightBusy: 'Too many adapters wait to be checked.',
  PreflightTimeout: 'The check took too long.',
  PreflightFailed: 'The check itself failed.',
} as const

export type ProblemReason = keyof typeof problemReasons

export function problem(reason: ProblemReason, message: string): AdapterProblem {
  return { reason, message }
}

/** A tenant's text inside a message: one line of at most 120 characters, with everything invisible escaped. */
export function quoted(text: string): string {
  const short = text.length > 120 ? `${text.slice(0, 119)}…` : text
  // Control, format (as the marks that turn text around) and unassigned characters, and separators but the space.
  return JSON.stringify(short).replaceAll(
    /(?! )[\p{C}\p{Z}]/gu,
    (char) => `\\u{${char.codePointAt(0)?.toString(16)}}`,
  )
}

/** `a, b and 3 more`. */
export function someOf(names: readonly string[], shown = 3): string {
  const head = names.slice(0, shown).map(quoted).join(', ')
  return names.length > shown ? `${head} and ${names.length - shown} more` : head
}

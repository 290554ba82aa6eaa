import type { BaseModelCache } from './base-model.ts'
import { checkPeftConfig } from './peft-checks.ts'
import { baseNameWords, checkAdapter, largestRank, otherBaseName } from './preflight-checks.ts'
import { gatherSnapshot } from './preflight-snapshot.ts'
import type { AdapterSnapshot } from './preflight-snapshot.ts'
import { quoted, someOf } from './problems.ts'
import type { AdapterFacts, PreflightOptions, PreflightVerdict } from './types.ts'
import type { WeightScanner } from './weight-scan.ts'

/** What a worker keeps between adapters. */
export interface PreflightTools {
  readonly bases: BaseModelCache
  readonly scanner: WeightScanner
}

/**
 * Judges the adapter in `folder` without an engine. Reads synchronously, so it belongs in a worker thread
 * (`PreflightPool`). Throws Node's error where a disk fails; everything about the adapter is in the verdict.
 */
export function preflight(
  folder: string,
  options: PreflightOptions,
  { bases, scanner }: PreflightTools,
): PreflightVerdict {
  const base = options.baseModelPath === undefined ? undefined : bases.get(options.baseModelPath)
  const outcome = gatherSnapshot(folder, options, base, scanner)
  if (!outcome.ok) {
    const ofConfig = outcome.raw === undefined ? [] : checkPeftConfig(outcome.raw, options)
    return { verdict: 'Refused', problems: [...outcome.problems, ...ofConfig] }
  }
  const { snapshot } = outcome
  const problems = checkAdapter(snapshot)
  if (problems.length > 0) {
    return { verdict: 'Refused', problems }
  }
  const doubts = doubtsAbout(snapshot)
  return {
    verdict: doubts.length === 0 ? 'Compatible' : 'Unknown',
    facts: factsOf(snapshot),
    notices: [...noticesOf(snapshot), ...doubts],
  }
}

/** What could not be checked; the canary decides. */
function doubtsAbout({ base, modules, lora }: AdapterSnapshot): string[] {
  if (base === undefined) {
    return ["The base model's modules are not known here, so names and shapes were not compared."]
  }
  const aliases = modules.filter((module) => module.base?.match === 'Alias')
  const fused = modules.filter((module) => module.fused)
  const shapeless = modules.filter(
    (module) => module.base?.match === 'Exact' && module.base.module.shape === undefined,
  )
  return [
    ...namesDoubt(aliases, 'go by another name in the base model'),
    ...namesDoubt(fused, 'hold fused experts, whose shapes were not compared'),
    ...namesDoubt(shapeless, 'are quantised in the base model, and their shapes were not compared'),
    ...(lora.heads.length === 0
      ? []
      : [
          'The adapter brings its own classification head, which only a classification model serves.',
        ]),
  ]
}

function namesDoubt(modules: readonly { readonly name: string }[], words: string): string[] {
  return modules.length === 0 ? [] : [`${someOf(modules.map(({ name }) => name))} ${words}.`]
}

/** PEFT features that vLLM neither reads nor refuses. */
const unreadFields = ['arrow_config', 'kasa_config', 'monteclora_config', 'velora_config']

function noticesOf(snapshot: AdapterSnapshot): string[] {
  const other = otherBaseName(snapshot)
  const unread = unreadFields.filter((field) => (snapshot.raw[field] ?? null) !== null)
  return [
    ...(other === undefined ? [] : [baseNameWords(other, snapshot.options.baseModelNames)]),
    ...unread.map((field) => `vLLM does not read ${quoted(field)} of adapter_config.json.`),
  ]
}

function factsOf({ config, configBytes, header, modules }: AdapterSnapshot): AdapterFacts {
  const suffixes = modules.map(({ name }) => name.slice(name.lastIndexOf('.') + 1))
  return {
    rank: Math.max(config.rank, largestRank(modules)),
    alpha: config.alpha,
    sizeBytes: configBytes + header.fileBytes,
    targetModules: [...new Set(suffixes)].toSorted(),
    baseModel: config.baseModel,
    tensors: header.tensors.length,
  }
}

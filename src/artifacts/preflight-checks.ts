import type { Shape } from './base-architectures.ts'
import { checkPeftConfig, rankAbovePool } from './peft-checks.ts'
import type { AdapterSnapshot, ModuleSnapshot } from './preflight-snapshot.ts'
import { problem, quoted, someOf } from './problems.ts'
import type { AdapterProblem } from './types.ts'
import { overflowsIn, scannableDtypes, vanishesIn } from './weight-scan.ts'
import type { ServedDtype } from './weight-scan.ts'

/** A check finds nothing, one problem or several. */
export type AdapterCheck = (
  snapshot: AdapterSnapshot,
) => AdapterProblem | readonly AdapterProblem[] | undefined

/**
 * Everything an adapter is judged by, most important first. vLLM 0.32 itself stops only the config's part of it; the
 * rest would load with 200 and do nothing, answer garbage, or spoil other tenants' answers.
 */
export const adapterChecks: readonly AdapterCheck[] = [
  ({ raw, options }) => checkPeftConfig(raw, options),
  baseModelMismatch,
  ({ lora }) => lora.problems,
  dtypeUnsupported,
  modulesNotInBase,
  shapeMismatch,
  rankMismatch,
  rankTooLarge,
  nonFiniteWeights,
  updateTooLarge,
  noEffect,
]

export function checkAdapter(snapshot: AdapterSnapshot): AdapterProblem[] {
  const problems = adapterChecks.flatMap((check) => check(snapshot) ?? [])
  // The config and the matrices may say the same thing twice.
  return problems.filter(
    ({ reason }, index) => problems.findIndex((other) => other.reason === reason) === index,
  )
}

/** The name the adapter gives its base, where the pool knows its own names and has another one. */
export function otherBaseName(snapshot: AdapterSnapshot): string | undefined {
  const { options, config } = snapshot
  const known = options.baseModelNames.map(withoutSlash)
  const said = options.baseModel ?? config.baseModel
  const name = said === undefined ? 'no base model' : withoutSlash(said)
  return known.length === 0 || known.includes(name) ? undefined : name
}

export function baseNameWords(name: string, names: readonly string[]): string {
  return `The adapter names ${name === 'no base model' ? name : quoted(name)} as its base, this pool serves ${someOf(names)}.`
}

function baseModelMismatch(snapshot: AdapterSnapshot): AdapterProblem | undefined {
  const other = otherBaseName(snapshot)
  return other === undefined || snapshot.options.baseModelCheck === 'Warn'
    ? undefined
    : problem(
        'BaseModelMismatch',
        `${baseNameWords(other, snapshot.options.baseModelNames)} Use the pool of that base, or ask for the name to be added to model.baseModelNames if it is a mirror.`,
      )
}

function dtypeUnsupported({ lora, modules }: AdapterSnapshot): AdapterProblem | undefined {
  const tensors = [...modules.flatMap(({ a, b }) => [a, b]), ...lora.heads]
  const other = tensors.find(({ dtype }) => !scannableDtypes.includes(dtype))
  return other === undefined
    ? undefined
    : problem(
        'DtypeUnsupported',
        `${quoted(other.name)} is in ${other.dtype}; adapters are served from F16, BF16 or F32. Save the adapter in one of these.`,
      )
}

function modulesNotInBase({ base, modules }: AdapterSnapshot): AdapterProblem | undefined {
  const missing = modules.filter((module) => !module.fused && module.base?.match === 'None')
  const [first] = missing
  if (first === undefined) {
    return undefined
  }
  const similar = base?.resembling(first.name)
  const hint = similar === undefined ? '' : ` The base has ${quoted(similar)}.`
  const count =
    missing.length === modules.length
      ? `None of the adapter's ${modules.length} modules is`
      : `${missing.length} of the adapter's ${modules.length} modules are not`
  return problem(
    'ModulesNotInBase',
    `${count} in the base model, such as ${quoted(first.name)}.${hint} The engine would load the adapter and ignore them: train it on the class that is served, or use the pool of its own base.`,
  )
}

function shapeMismatch({ modules, config }: AdapterSnapshot): AdapterProblem | undefined {
  for (const module of modules) {
    const detail = module.fused ? undefined : shapeDetail(module, config.fanInFanOut)
    if (detail !== undefined) {
      return problem(
        'ShapeMismatch',
        `${quoted(module.name)} does not fit the base model: ${detail}. The adapter was trained on another model: use the pool of its own base, or retrain on this one.`,
      )
    }
  }
  return undefined
}

const embeddingNames = /(?:^|\.)(?:embed_tokens|tok_embeddings|word_embeddings|embed_in|wte)$/

function shapeDetail(module: ModuleSnapshot, transposed: boolean): string | undefined {
  if (module.a.shape.length !== 2 || module.b.shape.length !== 2) {
    return 'its matrices A and B do not have two dimensions'
  }
  // The engine looks A up by token id in an embedding and multiplies by it elsewhere: mixed up, it reads out of bounds.
  if (module.embedding !== embeddingNames.test(module.name)) {
    return module.embedding
      ? 'it has embedding matrices and is no embedding'
      : 'it is an embedding without lora_embedding matrices'
  }
  const inBase =
    module.base === undefined || module.base.match === 'None' ? undefined : module.base.module.shape
  if (inBase === undefined) {
    return undefined
  }
  const wanted = orient(inBase, module.embedding || (transposed && !fits(module, inBase)))
  const own = shapeOf(module)
  return fits(module, wanted)
    ? undefined
    : `it takes ${own.in} inputs to ${own.out} outputs, the base ${wanted.in} to ${wanted.out}`
}

function shapeOf({ a, b }: ModuleSnapshot): Shape {
  return { in: a.shape[1] ?? 0, out: b.shape[0] ?? 0 }
}

function orient(shape: Shape, transposed: boolean): Shape {
  return transposed ? { in: shape.out, out: shape.in } : shape
}

function fits(module: ModuleSnapshot, shape: Shape): boolean {
  const own = shapeOf(module)
  return own.in === shape.in && own.out === shape.out
}

function rankMismatch({ modules }: AdapterSnapshot): AdapterProblem | undefined {
  const wrong = modules.find(
    ({ a, b, rank, fused }) => !fused && rank > 0 && (a.shape[0] !== rank || b.shape[1] !== rank),
  )
  return wrong === undefined
    ? undefined
    : problem(
        'RankMismatch',
        `The matrices of ${quoted(wrong.name)} have the ranks ${wrong.a.shape[0] ?? 0} and ${wrong.b.shape[1] ?? 0}, adapter_config.json says ${wrong.rank}. Both files must come from the same save_pretrained.`,
      )
}

function rankTooLarge({ modules, options }: AdapterSnapshot): AdapterProblem | undefined {
  const largest = largestRank(modules)
  return largest > options.maxRank ? rankAbovePool(largest, options.maxRank) : undefined
}

/** As the matrices have it. */
export function largestRank(modules: readonly ModuleSnapshot[]): number {
  return modules.reduce(
    (largest, { a, fused }) => Math.max(largest, fused ? 0 : (a.shape[0] ?? 0)),
    0,
  )
}

const dtypeWords: Readonly<Record<ServedDtype, string>> = { F16: 'float16', BF16: 'bfloat16' }

function nonFiniteWeights(snapshot: AdapterSnapshot): AdapterProblem | undefined {
  const { modules, headStats, servedDtype } = snapshot
  const bad = modules.filter((module) => !isFinite(module, servedDtype))
  const badHead = headStats.some((stats) => overflowsIn(servedDtype, stats?.maxAbs ?? 0))
  const [first] = bad
  if (first === undefined && !badHead) {
    return undefined
  }
  const where =
    first === undefined
      ? 'the classification head'
      : `${bad.length} of ${modules.length} modules, such as ${quoted(first.name)}`
  return problem(
    'NonFiniteWeights',
    `The weights are not finite (NaN, infinity, or too large for ${dtypeWords[servedDtype]}, in which they are served) in ${where}. They would spoil the answers of others on the same engine. The training diverged: retrain with a lower learning rate.`,
  )
}

/** vLLM casts A and B to the served dtype and then multiplies B by the scaling in that dtype. */
function isFinite({ aStats, bStats, scaling }: ModuleSnapshot, dtype: ServedDtype): boolean {
  const largestB = bStats?.maxAbs ?? 0
  const scaled = largestB === 0 ? 0 : largestB * Math.max(1, Math.abs(scaling))
  return !overflowsIn(dtype, aStats?.maxAbs ?? 0) && !overflowsIn(dtype, scaled)
}

/**
 * How many times the base's own norm an update may have. Measured: trained adapters of the fixtures 0.5 to 7.2 (12 by
 * the absolute measure), a random one of rank 128 57, the one that spoiled its neighbours 1e20 and more.
 */
export const maxUpdateRatio = 100

/**
 * An upper bound of ‖scaling·B·A‖ (Frobenius) over the norm of the base's weight. Where the base's weights cannot be
 * read: over that of a weight with the standard deviation 0.02, the initial one of nearly every transformer.
 */
export function updateRatio(module: ModuleSnapshot): number {
  const { aStats, bStats, scaling, baseNorm } = module
  const own = shapeOf(module)
  const reference = baseNorm ?? 0.02 * Math.sqrt(own.in * own.out)
  const update =
    Math.abs(scaling) * Math.sqrt(aStats?.sumSquares ?? 0) * Math.sqrt(bStats?.sumSquares ?? 0)
  return update === 0 ? 0 : update / reference
}

function updateTooLarge({ modules, servedDtype }: AdapterSnapshot): AdapterProblem | undefined {
  let worst: ModuleSnapshot | undefined
  let worstRatio = maxUpdateRatio
  for (const module of modules.filter((candidate) => isFinite(candidate, servedDtype))) {
    const ratio = updateRatio(module)
    if (!(ratio <= worstRatio)) {
      worst = module
      worstRatio = ratio
    }
  }
  return worst === undefined
    ? undefined
    : problem(
        'UpdateTooLarge',
        `The adapter changes ${quoted(worst.name)} by up to ${worstRatio.toPrecision(2)} times the size of the base's own weight; at most ${maxUpdateRatio} times is served, because such values spoil the answers of others on the same engine. Check lora_alpha, and retrain with a lower learning rate.`,
      )
}

function noEffect({ modules, lora, servedDtype }: AdapterSnapshot): AdapterProblem | undefined {
  const works = ({ aStats, bStats, scaling }: ModuleSnapshot): boolean =>
    scaling !== 0 && [aStats, bStats].every((stats) => !vanishesIn(servedDtype, stats?.maxAbs ?? 1))
  if (lora.problems.length > 0 || lora.heads.length > 0 || modules.some(works)) {
    return undefined
  }
  return problem(
    'NoEffect',
    modules.length === 0
      ? 'adapter_model.safetensors holds no LoRA matrices. Save the trained adapter with save_pretrained, not the base model.'
      : 'The adapter changes nothing: in every module A, B or lora_alpha is zero. It was saved before it was trained, or the training did not reach it.',
  )
}

function withoutSlash(name: string): string {
  return name.replace(/\/+$/, '')
}

import type { PeftConfig } from './peft-config.ts'
import { classifierHeads } from './peft-checks.ts'
import { problem, quoted, someOf } from './problems.ts'
import type { Tensor } from './safetensors.ts'
import type { AdapterProblem } from './types.ts'

/** The two halves of one module's update: A is [rank, in], B is [out, rank]; for an embedding in is the vocabulary. */
export interface LoraModule {
  /** As in the base, without PEFT's prefix: `model.layers.0.self_attn.q_proj`. */
  readonly name: string
  readonly embedding: boolean
  readonly a: Tensor
  readonly b: Tensor
}

export interface LoraTensors {
  readonly modules: readonly LoraModule[]
  /** Classification heads trained in full. */
  readonly heads: readonly Tensor[]
  readonly problems: readonly AdapterProblem[]
}

type ParsedName =
  | {
      readonly kind: 'Half'
      readonly module: string
      readonly half: 'a' | 'b'
      readonly embedding: boolean
    }
  | { readonly kind: 'Head' }
  /** A copy of base embeddings that PEFT adds; vLLM skips it. */
  | { readonly kind: 'Skipped' }
  | { readonly kind: 'Unsupported' }

const prefix = 'base_model.model.'
const halfPattern =
  /^(?<module>.+)\.(?:lora_(?<linear>[AB])\.weight|lora_embedding_(?<embedding>[AB]))$/

/** vLLM's `parse_fine_tuned_lora_name`, without its leniencies: one module must never have two names. */
export function parseTensorName(name: string, heads: readonly string[]): ParsedName {
  if (/\.(?:embed_tokens|lm_head)\.base_layer\.weight$/.test(name)) {
    return { kind: 'Skipped' }
  }
  const path = name.startsWith(prefix) ? name.slice(prefix.length) : name
  const groups = halfPattern.exec(path)?.groups
  if (groups?.['module'] !== undefined && !path.includes(prefix)) {
    const letter = groups['linear'] ?? groups['embedding']
    return {
      kind: 'Half',
      module: groups['module'],
      half: letter === 'A' ? 'a' : 'b',
      embedding: groups['linear'] === undefined,
    }
  }
  const [head, parameter] = path.split('.').slice(-2)
  return heads.includes(head ?? '') && (parameter === 'weight' || parameter === 'bias')
    ? { kind: 'Head' }
    : { kind: 'Unsupported' }
}

interface Halves {
  readonly embedding: boolean
  a?: Tensor
  b?: Tensor
}

/** Sorts an adapter's tensors into modules; whatever does not fit becomes a problem. */
export function groupLoraTensors(tensors: readonly Tensor[], config: PeftConfig): LoraTensors {
  const heads: Tensor[] = []
  const unsupported: string[] = []
  const halves = new Map<string, Halves>()
  const allowedHeads = config.modulesToSave.filter((name) => classifierHeads.includes(name))
  for (const tensor of tensors) {
    const parsed = parseTensorName(tensor.name, allowedHeads)
    switch (parsed.kind) {
      case 'Half':
        if (!addHalf(halves, parsed, tensor)) {
          unsupported.push(tensor.name)
        }
        break
      case 'Head':
        heads.push(tensor)
        break
      case 'Unsupported':
        unsupported.push(tensor.name)
        break
      case 'Skipped':
        break
      default:
        parsed satisfies never
    }
  }
  const problems = unsupported.length === 0 ? [] : [unsupportedNames(unsupported)]
  return { heads, ...pairUp(halves, problems) }
}

/** False where this half is there already, under another spelling of its name. */
function addHalf(
  halves: Map<string, Halves>,
  parsed: { module: string; half: 'a' | 'b'; embedding: boolean },
  tensor: Tensor,
): boolean {
  const known = halves.get(parsed.module) ?? { embedding: parsed.embedding }
  if (known[parsed.half] !== undefined || known.embedding !== parsed.embedding) {
    return false
  }
  known[parsed.half] = tensor
  halves.set(parsed.module, known)
  return true
}

function pairUp(
  halves: ReadonlyMap<string, Halves>,
  problems: AdapterProblem[],
): { modules: LoraModule[]; problems: AdapterProblem[] } {
  const modules: LoraModule[] = []
  const single: string[] = []
  for (const [name, { a, b, embedding }] of halves) {
    if (a === undefined || b === undefined) {
      single.push(name)
    } else {
      modules.push({ name, embedding, a, b })
    }
  }
  if (single.length > 0) {
    problems.push(
      problem(
        'TensorUnpaired',
        `${someOf(single)} ${single.length === 1 ? 'has' : 'have'} only one of the matrices A and B. Save the adapter again with PEFT's save_pretrained.`,
      ),
    )
  }
  return { modules, problems }
}

function unsupportedNames(names: readonly string[]): AdapterProblem {
  const [first = ''] = names
  return problem(
    'TensorNameUnsupported',
    names.length === 1
      ? `The tensor ${quoted(first)} is not one vLLM reads: names end in .lora_A.weight, .lora_B.weight, .lora_embedding_A or .lora_embedding_B, one pair a module. Retrain with LoRA on linear layers only, or save with PEFT's save_pretrained.`
      : `${names.length} tensors are not ones vLLM reads (${someOf(names)}): names end in .lora_A.weight, .lora_B.weight, .lora_embedding_A or .lora_embedding_B, one pair a module. Retrain with LoRA on linear layers only, or save with PEFT's save_pretrained.`,
  )
}

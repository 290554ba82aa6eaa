/** Rows and columns of a linear layer's weight as PyTorch keeps it: [out, in]. An embedding is [vocabulary, hidden]. */
export interface Shape {
  readonly out: number
  readonly in: number
}

/** A base's config.json, unchecked. */
export type BaseConfig = Readonly<Record<string, unknown>>

interface Family {
  /** Used where config.json leaves head_dim out; otherwise hidden / heads. */
  readonly headDim?: number
  readonly layer: (sizes: Sizes) => Readonly<Record<string, Shape>>
}

interface Sizes {
  readonly hidden: number
  readonly intermediate: number
  readonly query: number
  readonly keyValue: number
}

/** Llama's layout, which most dense decoders share. */
function llamaLayer({ hidden, intermediate, query, keyValue }: Sizes): Record<string, Shape> {
  return {
    'self_attn.q_proj': { out: query, in: hidden },
    'self_attn.k_proj': { out: keyValue, in: hidden },
    'self_attn.v_proj': { out: keyValue, in: hidden },
    'self_attn.o_proj': { out: hidden, in: query },
    'mlp.gate_proj': { out: intermediate, in: hidden },
    'mlp.up_proj': { out: intermediate, in: hidden },
    'mlp.down_proj': { out: hidden, in: intermediate },
  }
}

function phi3Layer({ hidden, intermediate, query, keyValue }: Sizes): Record<string, Shape> {
  return {
    'self_attn.qkv_proj': { out: query + 2 * keyValue, in: hidden },
    'self_attn.o_proj': { out: hidden, in: query },
    'mlp.gate_up_proj': { out: 2 * intermediate, in: hidden },
    'mlp.down_proj': { out: hidden, in: intermediate },
  }
}

/** By `architectures[0]`. The default head sizes are transformers' own, which it leaves out of config.json. */
const families = new Map<string, Family>(
  Object.entries({
    LlamaForCausalLM: { layer: llamaLayer },
    MistralForCausalLM: { layer: llamaLayer },
    Qwen2ForCausalLM: { layer: llamaLayer },
    Qwen3ForCausalLM: { layer: llamaLayer, headDim: 128 },
    GemmaForCausalLM: { layer: llamaLayer, headDim: 256 },
    Gemma2ForCausalLM: { layer: llamaLayer, headDim: 256 },
    Gemma3ForCausalLM: { layer: llamaLayer, headDim: 256 },
    GraniteForCausalLM: { layer: llamaLayer },
    Phi3ForCausalLM: { layer: phi3Layer },
  }),
)

const maxLayers = 1024

/** Module name → shape for the architectures above; undefined for others, and where config.json lacks a size. */
export function modulesFromConfig(config: BaseConfig): ReadonlyMap<string, Shape> | undefined {
  const architectures = config['architectures']
  const name: unknown = Array.isArray(architectures) ? architectures[0] : undefined
  const family = typeof name === 'string' ? families.get(name) : undefined
  const sizes = family === undefined ? undefined : sizesOf(config, family)
  const layers = sizeOf(config, 'num_hidden_layers')
  const vocabulary = sizeOf(config, 'vocab_size')
  if (
    family === undefined ||
    sizes === undefined ||
    layers === undefined ||
    layers > maxLayers ||
    vocabulary === undefined
  ) {
    return undefined
  }
  const embedding = { out: vocabulary, in: sizes.hidden }
  const modules = new Map<string, Shape>([
    ['model.embed_tokens', embedding],
    ['lm_head', embedding],
  ])
  for (let layer = 0; layer < layers; layer++) {
    for (const [module, shape] of Object.entries(family.layer(sizes))) {
      modules.set(`model.layers.${layer}.${module}`, shape)
    }
  }
  return modules
}

function sizesOf(config: BaseConfig, family: Family): Sizes | undefined {
  const hidden = sizeOf(config, 'hidden_size')
  const intermediate = sizeOf(config, 'intermediate_size')
  const heads = sizeOf(config, 'num_attention_heads')
  if (hidden === undefined || intermediate === undefined || heads === undefined) {
    return undefined
  }
  const headDim = sizeOf(config, 'head_dim') ?? family.headDim ?? hidden / heads
  const keyValueHeads = sizeOf(config, 'num_key_value_heads') ?? heads
  return { hidden, intermediate, query: heads * headDim, keyValue: keyValueHeads * headDim }
}

function sizeOf(config: BaseConfig, field: string): number | undefined {
  const value = config[field]
  return Number.isSafeInteger(value) && Number(value) > 0 ? Number(value) : undefined
}

import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { aTensor, safetensorsOf } from '../../test/support/adapter-builder.ts'
import type { TensorBuilder } from '../../test/support/adapter-builder.ts'
import { modulesFromConfig } from './base-architectures.ts'
import { headersOf } from './base-headers.ts'
import { readCheckpoint } from './base-checkpoint.ts'
import { BaseModel, BaseModelCache } from './base-model.ts'
import type { BaseModule } from './base-model.ts'
import { WeightScanner } from './weight-scan.ts'

const fixtures = join(import.meta.dirname, '../../test/fixtures')
const scanner = new WeightScanner()
let work: string
beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'loraplex-base-'))
})
afterAll(() => rm(work, { recursive: true, force: true }))

interface Checkpoint {
  readonly config?: Record<string, unknown>
  readonly files?: Readonly<Record<string, readonly TensorBuilder[]>>
  readonly index?: unknown
}

let folders = 0
async function aBase({ config, files = {}, index }: Checkpoint): Promise<BaseModel | undefined> {
  const folder = join(work, `base-${folders++}`)
  await mkdir(folder)
  if (config !== undefined) {
    await writeFile(join(folder, 'config.json'), JSON.stringify(config))
  }
  if (index !== undefined) {
    await writeFile(join(folder, 'model.safetensors.index.json'), JSON.stringify(index))
  }
  for (const [name, tensors] of Object.entries(files)) {
    await writeFile(join(folder, name), safetensorsOf(tensors))
  }
  return BaseModel.from(readCheckpoint(folder))
}

const q = 'model.layers.0.self_attn.q_proj'
const weight = (module: string, shape = [8, 4]): TensorBuilder => aTensor(`${module}.weight`, shape)

function moduleOf(base: BaseModel | undefined, name: string): BaseModule | undefined {
  const match = base?.find(name)
  return match === undefined || match.match === 'None' ? undefined : match.module
}

describe('a base', () => {
  it('of one file has the linear layers of its headers', async () => {
    const files = { 'model.safetensors': [weight(q), weight('model.norm', [4])] }
    const base = await aBase({ files })
    expect(base?.find(q).match).toBe('Exact')
    expect(moduleOf(base, q)?.shape).toEqual({ out: 8, in: 4 })
    expect(base?.find('model.norm').match).toBe('None')
  })

  it('of shards is put together from the files that its index names', async () => {
    const files = {
      'model-1.safetensors': [weight(q)],
      'model-2.safetensors': [weight('lm_head')],
      'other.safetensors': [weight('stray')],
    }
    const index = {
      weight_map: {
        [`${q}.weight`]: 'model-1.safetensors',
        'lm_head.weight': 'model-2.safetensors',
      },
    }
    const base = await aBase({ files, index })
    expect([q, 'lm_head', 'stray'].map((name) => base?.find(name).match)).toEqual([
      'Exact',
      'Exact',
      'None',
    ])
    const withoutIndex = await aBase({ files })
    expect(withoutIndex?.find('stray').match).toBe('Exact')
  })

  it('reads no file outside of its folder', async () => {
    const index = { weight_map: { a: '../../etc/passwd', b: 'model.safetensors' } }
    const base = await aBase({ files: { 'model.safetensors': [weight(q)] }, index })
    expect(base?.find(q).match).toBe('Exact')
  })

  it('leaves out the second copy that Mistral adds, and adapters', async () => {
    const base = await aBase({
      files: {
        'model.safetensors': [weight(q)],
        'consolidated.safetensors': [weight('layers.0.attention.wq')],
        'adapter_model.safetensors': [weight('x')],
      },
    })
    expect(base?.find('layers.0.attention.wq').match).toBe('None')
    expect(base?.find('x').match).toBe('None')
  })

  it('with a damaged file counts by its config', async () => {
    const folder = join(work, 'damaged')
    await mkdir(folder)
    await writeFile(join(folder, 'model.safetensors'), 'not safetensors at all')
    expect(BaseModel.from(readCheckpoint(folder))).toBeUndefined()
    const { config } = readCheckpoint(join(fixtures, 'tiny-llama'))
    await writeFile(join(folder, 'config.json'), JSON.stringify(config))
    expect(moduleOf(BaseModel.from(readCheckpoint(folder)), q)?.shape).toEqual({
      out: 256,
      in: 256,
    })
  })

  it('that ties its head has one all the same', async () => {
    const files = { 'model.safetensors': [weight('model.embed_tokens', [262, 4])] }
    expect((await aBase({ files }))?.find('lm_head').match).toBe('Exact')
    const untied = await aBase({ files, config: { tie_word_embeddings: false } })
    expect(untied?.find('lm_head').match).toBe('None')
  })

  it('that is packed has the shapes of its architecture, or none', async () => {
    const files = {
      'model.safetensors': [
        aTensor(`${q}.qweight`, [4, 2]).as('F32'),
        aTensor('model.layers.0.mlp.up_proj.weight_packed', [4, 2]).as('F32'),
      ],
    }
    const unknown = await aBase({ files })
    expect(unknown?.find(q).match).toBe('Exact')
    expect(moduleOf(unknown, q)?.shape).toBeUndefined()
    const { config } = readCheckpoint(join(fixtures, 'tiny-llama'))
    const known = await aBase({ files, config: { ...config } })
    expect(moduleOf(known, q)?.shape).toEqual({ out: 256, in: 256 })
    expect(moduleOf(known, 'model.layers.0.mlp.up_proj')?.shape).toEqual({ out: 704, in: 256 })
  })

  it.each([
    [{ dtype: 'bfloat16' }, 'BF16'],
    [{ torch_dtype: 'float16' }, 'F16'],
    [{ text_config: { torch_dtype: 'bfloat16' } }, 'BF16'],
    [{ dtype: 'float32' }, undefined],
    [{}, undefined],
  ])('with %j serves adapters in %s', async (config, want) => {
    const base = await aBase({ config, files: { 'model.safetensors': [weight(q)] } })
    expect(base?.servedDtype).toBe(want)
  })
})

describe('a module by another name', () => {
  it.each([
    ['model.language_model.layers.0.q_proj', 'language_model.model.layers.0.q_proj'],
    ['language_model.model.layers.0.q_proj', 'model.language_model.layers.0.q_proj'],
    ['language_model.model.layers.0.q_proj', 'model.layers.0.q_proj'],
    ['model.visual.blocks.0.qkv', 'visual.blocks.0.qkv'],
    ['language_model.lm_head', 'lm_head'],
  ])('of a multimodal base, %s for %s, is for the canary', async (inBase, inAdapter) => {
    const config = { vision_config: {} }
    const base = await aBase({ config, files: { 'model.safetensors': [weight(inBase)] } })
    expect(base?.find(inAdapter)).toMatchObject({ match: 'Alias', module: { name: inBase } })
  })

  it('of a text base is for the canary only where a class prefix differs', async () => {
    const base = await aBase({ files: { 'model.safetensors': [weight('h.0.attn.c_attn')] } })
    expect(base?.find('transformer.h.0.attn.c_attn').match).toBe('Alias')
    const llama = await aBase({ files: { 'model.safetensors': [weight(q)] } })
    expect(llama?.find(q.replace('model.', '')).match).toBe('Alias')
    expect(llama?.find(q.replace('model.', 'model.language_model.')).match).toBe('None')
  })
})

describe('a base’s norm', () => {
  it('is exact for small weights and close for large ones', async () => {
    const small = aTensor('small.weight', [10, 10]).as('F32').filled(0.5)
    const large = aTensor('large.weight', [1_500, 2_000]).as('F32').filled(0.02)
    const base = await aBase({ files: { 'model.safetensors': [small, large] } })
    const norms = ['small', 'large'].map((name) => {
      const module = moduleOf(base, name)
      return module === undefined ? undefined : base?.norm(module, scanner)
    })
    expect(norms[0]).toBeCloseTo(5, 6)
    expect(norms[1]).toBeCloseTo(0.02 * Math.sqrt(3_000_000), 3)
  })

  it('is unknown where the weight is absent, zero, broken or packed', async () => {
    const files = {
      'model.safetensors': [
        weight('zero').filled(0),
        weight('broken').filled(NaN),
        weight('packed').as('F8_E4M3'),
      ],
    }
    const base = await aBase({ files })
    for (const name of ['zero', 'broken', 'packed']) {
      const module = moduleOf(base, name)
      expect(module === undefined ? 'missing' : base?.norm(module, scanner)).toBeUndefined()
    }
  })
})

describe('the shapes of an architecture', () => {
  const of = (config: Record<string, unknown>, module: string): unknown =>
    modulesFromConfig(config)?.get(`model.layers.1.${module}`)
  const llama31 = {
    architectures: ['LlamaForCausalLM'],
    hidden_size: 4096,
    intermediate_size: 14336,
    num_attention_heads: 32,
    num_key_value_heads: 8,
    num_hidden_layers: 32,
    vocab_size: 128256,
  }
  const qwen3 = {
    architectures: ['Qwen3ForCausalLM'],
    hidden_size: 1024,
    intermediate_size: 3072,
    num_attention_heads: 16,
    num_key_value_heads: 8,
    num_hidden_layers: 28,
    vocab_size: 151936,
  }
  const gemma2 = {
    architectures: ['Gemma2ForCausalLM'],
    hidden_size: 3584,
    intermediate_size: 14336,
    num_attention_heads: 16,
    num_key_value_heads: 8,
    num_hidden_layers: 42,
    vocab_size: 256000,
  }
  const phi3 = {
    architectures: ['Phi3ForCausalLM'],
    hidden_size: 3072,
    intermediate_size: 8192,
    num_attention_heads: 32,
    num_key_value_heads: 32,
    num_hidden_layers: 32,
    vocab_size: 32064,
  }

  it.each([
    ['Llama 3.1 8B', llama31, 'self_attn.q_proj', 4096, 4096],
    ['Llama 3.1 8B', llama31, 'self_attn.k_proj', 1024, 4096],
    ['Llama 3.1 8B', llama31, 'mlp.down_proj', 4096, 14336],
    ['Qwen3 0.6B', qwen3, 'self_attn.q_proj', 2048, 1024],
    ['Qwen3 0.6B', qwen3, 'self_attn.o_proj', 1024, 2048],
    ['Gemma 2 9B', gemma2, 'self_attn.q_proj', 4096, 3584],
    ['Gemma 2 9B', gemma2, 'self_attn.v_proj', 2048, 3584],
    ['Phi 3 mini', phi3, 'self_attn.qkv_proj', 9216, 3072],
    ['Phi 3 mini', phi3, 'mlp.gate_up_proj', 16384, 3072],
  ])('%s: %s', (_, config, module, out, columns) => {
    expect(of(config, module)).toEqual({ out, in: columns })
  })

  it.each([
    'hidden_size',
    'intermediate_size',
    'num_attention_heads',
    'num_hidden_layers',
    'vocab_size',
    'architectures',
  ])('are unknown without %s', (field) => {
    expect(modulesFromConfig({ ...llama31, [field]: undefined })).toBeUndefined()
    expect(modulesFromConfig({ ...llama31, [field]: 'x' })).toBeUndefined()
  })

  it('of tiny-llama are those of its file', () => {
    const checkpoint = readCheckpoint(join(fixtures, 'tiny-llama'))
    const derived = modulesFromConfig(checkpoint.config)
    const linear = [...(checkpoint.tensors ?? [])].filter(
      ([, { tensor }]) => tensor.shape.length === 2,
    )
    expect(linear).toHaveLength(derived?.size ?? 0)
    for (const [name, { tensor }] of linear) {
      const shape = derived?.get(name.replace(/\.weight$/, ''))
      expect([shape?.out, shape?.in], name).toEqual(tensor.shape)
    }
  })
})

describe('BaseModelCache', () => {
  it('reads a base once', () => {
    const cache = new BaseModelCache()
    const folder = join(fixtures, 'tiny-llama')
    expect(cache.get(folder)).toBe(cache.get(folder))
    expect(cache.get(join(work, 'nowhere'))).toBeUndefined()
  })
})

it('has shapes and no norms of files that end after their headers', async () => {
  const folder = await mkdtemp(join(work, 'cut-'))
  const whole = join(fixtures, 'tiny-llama')
  for (const { name, path, sizeBytes } of await headersOf(whole)) {
    await writeFile(join(folder, name), (await readFile(path)).subarray(0, sizeBytes))
  }
  const of = (path: string) => {
    const base = BaseModel.from(readCheckpoint(path))
    const match = base?.find('model.layers.0.self_attn.q_proj')
    return match === undefined || match.match === 'None'
      ? undefined
      : { shape: match.module.shape, norm: base?.norm(match.module, scanner) }
  }
  expect(of(whole)?.norm).toBeGreaterThan(0)
  expect(of(folder)).toEqual({ shape: of(whole)?.shape, norm: undefined })
})

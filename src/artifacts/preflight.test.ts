import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BaseModelCache } from './base-model.ts'
import { preflight } from './preflight.ts'
import { updateRatio } from './preflight-checks.ts'
import { gatherSnapshot } from './preflight-snapshot.ts'
import { problemReasons } from './problems.ts'
import { aLora, aTensor, writeAdapter } from '../../test/support/adapter-builder.ts'
import type { PreflightOptions, PreflightVerdict } from './types.ts'
import { WeightScanner } from './weight-scan.ts'

const fixtures = join(import.meta.dirname, '../../test/fixtures')
const tools = { bases: new BaseModelCache(), scanner: new WeightScanner() }
const pool: PreflightOptions = {
  baseModelPath: join(fixtures, 'tiny-llama'),
  baseModelNames: ['tiny-llama'],
  baseModelCheck: 'Warn',
  maxRank: 64,
  dtype: 'Auto',
}

function judge(folder: string, options: Partial<PreflightOptions> = {}): PreflightVerdict {
  return preflight(folder, { ...pool, ...options }, tools)
}

function reasonsOf(verdict: PreflightVerdict): readonly string[] {
  return verdict.verdict === 'Refused' ? verdict.problems.map(({ reason }) => reason) : []
}

let work: string
beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'loraplex-preflight-'))
})
afterAll(() => rm(work, { recursive: true, force: true }))

describe('good adapters', () => {
  it.each([
    ['acme-tickets', 8],
    ['globex-shout', 16],
    ['initech-initials', 32],
  ])('%s is compatible', (folder, wantRank) => {
    expect(judge(join(fixtures, 'adapters', folder))).toMatchObject({
      verdict: 'Compatible',
      facts: {
        rank: wantRank,
        alpha: 2 * wantRank,
        baseModel: 'tiny-llama',
        tensors: 56,
        targetModules: expect.arrayContaining(['q_proj', 'down_proj']) as string[],
      },
      notices: [],
    })
  })

  it('have updates far below the bound', () => {
    for (const folder of ['acme-tickets', 'globex-shout', 'initech-initials']) {
      const path = join(fixtures, 'adapters', folder)
      const base = tools.bases.get(pool.baseModelPath ?? '')
      const outcome = gatherSnapshot(path, pool, base, tools.scanner)
      const ratios = outcome.ok ? outcome.snapshot.modules.map(updateRatio) : [Infinity]
      expect(Math.max(...ratios)).toBeLessThan(10)
      expect(Math.min(...ratios)).toBeGreaterThan(0.1)
    }
  })
})

describe('broken adapters', () => {
  const table: readonly {
    readonly folder: string
    readonly wantReason: string
    readonly why: string
  }[] = [
    { folder: 'rank-too-large', why: 'a rank above the pool’s', wantReason: 'RankTooLarge' },
    { folder: 'other-base', why: 'shapes of another base', wantReason: 'ShapeMismatch' },
    { folder: 'no-effect', why: 'module paths of another class', wantReason: 'ModulesNotInBase' },
    { folder: 'zero-weights', why: 'weights that are all zero', wantReason: 'NoEffect' },
    { folder: 'not-a-number', why: 'weights that are NaN', wantReason: 'NonFiniteWeights' },
    { folder: 'finite-but-huge', why: 'weights that are huge', wantReason: 'UpdateTooLarge' },
    { folder: 'pickled', why: 'pickled weights', wantReason: 'PickledWeights' },
    { folder: 'dora', why: 'DoRA', wantReason: 'DoraUnsupported' },
    { folder: 'saves-modules', why: 'modules in full', wantReason: 'ModulesToSaveUnsupported' },
    { folder: 'no-target-modules', why: 'a missing field', wantReason: 'ConfigFieldMissing' },
    { folder: 'truncated', why: 'a file cut off', wantReason: 'WeightsTruncated' },
    { folder: 'header-bomb', why: 'a header of a terabyte', wantReason: 'HeaderTooLarge' },
    { folder: 'no-weights', why: 'no weights', wantReason: 'WeightsMissing' },
  ]

  it.each(table)('$folder is refused for $why', ({ folder, wantReason }) => {
    expect(reasonsOf(judge(join(fixtures, 'adapters-broken', folder)))).toEqual([wantReason])
  })

  it('get words that name no path of the server', () => {
    for (const { folder } of table) {
      const verdict = judge(join(fixtures, 'adapters-broken', folder))
      for (const { reason, message } of verdict.verdict === 'Refused' ? verdict.problems : []) {
        expect(Object.keys(problemReasons)).toContain(reason)
        expect(message).not.toContain(fixtures)
        expect(message).toMatch(/^(?:[A-Z"]|adapter_).*\.$/s)
      }
    }
  })

  it('are told what to do about a rank', () => {
    expect(judge(join(fixtures, 'adapters-broken/rank-too-large'))).toEqual({
      verdict: 'Refused',
      problems: [
        {
          reason: 'RankTooLarge',
          message:
            "The adapter's rank is 128, this pool serves up to 64. Retrain with r ≤ 64 or ask for a pool with a larger lora.maxRank.",
        },
      ],
    })
  })

  it('have all their problems told, the most important first', () => {
    const folder = join(fixtures, 'adapters-broken/other-base')
    expect(reasonsOf(judge(folder, { baseModelCheck: 'Strict', maxRank: 8 }))).toEqual([
      'RankTooLarge',
      'BaseModelMismatch',
      'ShapeMismatch',
    ])
  })

  it('without readable weights still have their config judged', async () => {
    const folder = join(work, 'dora-without-weights')
    await mkdir(folder)
    await copyFile(
      join(fixtures, 'adapters-broken/dora/adapter_config.json'),
      join(folder, 'adapter_config.json'),
    )
    expect(reasonsOf(judge(folder))).toEqual(['WeightsMissing', 'DoraUnsupported'])
  })

  it('without anything lack both files', async () => {
    const folder = join(work, 'empty')
    await mkdir(folder)
    expect(reasonsOf(judge(folder))).toEqual(['ConfigMissing', 'WeightsMissing'])
  })
})

describe('the base’s name', () => {
  const good = join(fixtures, 'adapters/acme-tickets')

  it('is a notice where the pool only warns', () => {
    expect(judge(good, { baseModelNames: ['org/other'] })).toMatchObject({
      verdict: 'Compatible',
      notices: [expect.stringContaining('"tiny-llama"') as string],
    })
  })

  it('is a refusal where the pool is strict', () => {
    const options = { baseModelNames: ['org/other'], baseModelCheck: 'Strict' } as const
    expect(reasonsOf(judge(good, options))).toEqual(['BaseModelMismatch'])
  })

  it('may be any where the pool names none', () => {
    expect(judge(good, { baseModelNames: [], baseModelCheck: 'Strict' }).verdict).toBe('Compatible')
  })
})

describe('the base', () => {
  const good = join(fixtures, 'adapters/globex-shout')

  it('leaves the verdict unknown where its architecture is', async () => {
    const base = join(work, 'strange-base')
    await mkdir(base)
    await writeFile(join(base, 'config.json'), '{"architectures":["StrangeForCausalLM"]}')
    expect(judge(good, { baseModelPath: base }).verdict).toBe('Unknown')
    expect(judge(good, { baseModelPath: join(work, 'nowhere') }).verdict).toBe('Unknown')
    expect(judge(good, { baseModelPath: undefined }).verdict).toBe('Unknown')
  })

  it('is known from its config.json alone', async () => {
    const base = join(work, 'config-only')
    await mkdir(base)
    await copyFile(join(fixtures, 'tiny-llama/config.json'), join(base, 'config.json'))
    expect(judge(good, { baseModelPath: base }).verdict).toBe('Compatible')
    for (const [folder, wantReason] of [
      ['other-base', 'ShapeMismatch'],
      ['no-effect', 'ModulesNotInBase'],
      ['finite-but-huge', 'UpdateTooLarge'],
    ] as const) {
      const path = join(fixtures, 'adapters-broken', folder)
      expect(reasonsOf(judge(path, { baseModelPath: base }))).toEqual([wantReason])
    }
  })

  it('still bounds the update where nothing of it is known', () => {
    const path = join(fixtures, 'adapters-broken/finite-but-huge')
    expect(reasonsOf(judge(path, { baseModelPath: undefined, dtype: 'BFloat16' }))).toEqual([
      'UpdateTooLarge',
    ])
  })

  it('is read again once its files change', async () => {
    const base = join(work, 'changing')
    await mkdir(base)
    await copyFile(join(fixtures, 'tiny-llama/config.json'), join(base, 'config.json'))
    expect(judge(good, { baseModelPath: base }).verdict).toBe('Compatible')
    const config = await readFile(join(base, 'config.json'), 'utf8')
    await writeFile(join(base, 'config.json'), config.replace('704', '705'))
    expect(reasonsOf(judge(good, { baseModelPath: base }))).toEqual(['ShapeMismatch'])
  })
})

describe('an adapter of one module', () => {
  const q = 'base_model.model.model.layers.0.self_attn.q_proj'
  const a = aTensor(`${q}.lora_A.weight`, [4, 256]).filled(0.01)
  const b = aTensor(`${q}.lora_B.weight`, [256, 4]).filled(0.01)
  const embed = 'base_model.model.model.embed_tokens'
  const embedA = aTensor(`${embed}.lora_embedding_A`, [4, 262]).filled(0.01)
  const embedB = aTensor(`${embed}.lora_embedding_B`, [256, 4]).filled(0.01)

  const table: readonly {
    readonly name: string
    readonly lora: ReturnType<typeof aLora>
    readonly options?: Partial<PreflightOptions>
    readonly want: string
  }[] = [
    { name: 'passes', lora: aLora(a, b), want: 'Compatible' },
    { name: 'passes in float32', lora: aLora(a.as('F32'), b.as('F32')), want: 'Compatible' },
    { name: 'passes in float16', lora: aLora(a.as('F16'), b.as('F16')), want: 'Compatible' },
    { name: 'passes on an embedding', lora: aLora(embedA, embedB), want: 'Compatible' },
    {
      name: 'may not multiply by an embedding',
      lora: aLora(
        aTensor(`${embed}.lora_A.weight`, [4, 256]).filled(0.01),
        aTensor(`${embed}.lora_B.weight`, [262, 4]).filled(0.01),
      ),
      want: 'ShapeMismatch',
    },
    {
      name: 'may not look up tokens that are not there',
      lora: aLora(aTensor(`${embed}.lora_embedding_A`, [4, 263]).filled(0.01), embedB),
      want: 'ShapeMismatch',
    },
    { name: 'lacks its B', lora: aLora(a), want: 'TensorUnpaired' },
    { name: 'has a B of another rank', lora: aLora(a, b.shaped([256, 8])), want: 'RankMismatch' },
    {
      name: 'has another rank than its config',
      lora: aLora(a, b).with({ r: 8 }),
      want: 'RankMismatch',
    },
    {
      name: 'has the rank that a pattern gives it',
      lora: aLora(a, b).with({ r: 8, rank_pattern: { 'self_attn.q_proj': 4 } }),
      want: 'Compatible',
    },
    {
      name: 'has not the rank that a pattern gives it',
      lora: aLora(a, b).with({ rank_pattern: { 'layers.0.self_attn.q_proj': 8 } }),
      want: 'RankMismatch',
    },
    {
      name: 'has a pattern above the pool’s rank',
      lora: aLora(a, b).with({ rank_pattern: { elsewhere: 65 } }),
      want: 'RankTooLarge',
    },
    {
      name: 'has a pattern that could hang the engine',
      lora: aLora(a, b).with({ rank_pattern: { '(a+)+$': 4 } }),
      want: 'PatternUnsupported',
    },
    {
      name: 'has many alternatives in a row, which backtrack without any repetition',
      lora: aLora(a, b).with({ rank_pattern: { '(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)x': 4 } }),
      want: 'PatternUnsupported',
    },
    { name: 'carries fp8', lora: aLora(a.as('F8_E4M3'), b), want: 'DtypeUnsupported' },
    { name: 'has three dimensions', lora: aLora(a.shaped([4, 256, 1]), b), want: 'ShapeMismatch' },
    { name: 'has one infinity', lora: aLora(a, b.with(700, Infinity)), want: 'NonFiniteWeights' },
    {
      name: 'has one NaN in float32',
      lora: aLora(a.as('F32').with(3, NaN), b),
      want: 'NonFiniteWeights',
    },
    {
      name: 'fits bfloat16 and overflows float16',
      lora: aLora(a, b.with(0, 70_000)),
      options: { dtype: 'Float16' },
      want: 'NonFiniteWeights',
    },
    {
      name: 'overflows float16 only once it is scaled',
      lora: aLora(a.filled(1e-6), b.with(0, 60_000)).with({ lora_alpha: 16 }),
      options: { dtype: 'Float16' },
      want: 'NonFiniteWeights',
    },
    {
      name: 'is huge through its alpha',
      lora: aLora(a, b).with({ lora_alpha: 1e9 }),
      want: 'UpdateTooLarge',
    },
    {
      name: 'is huge through an alpha pattern',
      lora: aLora(a, b).with({ alpha_pattern: { q_proj: -1e9 } }),
      want: 'UpdateTooLarge',
    },
    { name: 'has an alpha of zero', lora: aLora(a, b).with({ lora_alpha: 0 }), want: 'NoEffect' },
    { name: 'has an A of zeros', lora: aLora(a.filled(0), b), want: 'NoEffect' },
    {
      name: 'vanishes in float16',
      lora: aLora(a.as('F32').filled(1e-9), b),
      options: { dtype: 'Float16' },
      want: 'NoEffect',
    },
    { name: 'holds nothing', lora: aLora(), want: 'NoEffect' },
    {
      name: 'has a name that vLLM does not read',
      lora: aLora(a, b, aTensor(`${q}.lora_magnitude_vector`, [256])),
      want: 'TensorNameUnsupported',
    },
    {
      name: 'has the same module under two names',
      lora: aLora(a, b, aTensor(a.name.replace('base_model.model.', ''), [4, 256])),
      want: 'TensorNameUnsupported',
    },
    {
      name: 'hides a second prefix, which the engine would cut out',
      lora: aLora(a, b, aTensor(a.name.replace('layers', 'base_model.model.layers'), [4, 256])),
      want: 'TensorNameUnsupported',
    },
    {
      name: 'has a bare classification head',
      lora: aLora(a, b, aTensor('base_model.model.score.weight', [2, 256])),
      want: 'TensorNameUnsupported',
    },
    {
      name: 'declares its classification head, which the canary has to judge',
      lora: aLora(a, b, aTensor('base_model.model.score.weight', [2, 256])).with({
        modules_to_save: ['score'],
      }),
      want: 'Unknown',
    },
    {
      name: 'has a classification head of NaN',
      lora: aLora(a, b, aTensor('base_model.model.score.weight', [2, 256]).filled(NaN)).with({
        modules_to_save: ['score'],
      }),
      want: 'NonFiniteWeights',
    },
    {
      name: 'carries the base’s embeddings along, which vLLM skips',
      lora: aLora(a, b, aTensor(`${embed}.base_layer.weight`, [262, 256])),
      want: 'Compatible',
    },
    {
      name: 'was trained without the model. prefix, which the canary has to judge',
      lora: aLora(
        ...[a, b].map((tensor) => tensor.named(tensor.name.replace('model.layers', 'layers'))),
      ),
      want: 'Unknown',
    },
    {
      name: 'targets a norm',
      lora: aLora(
        ...[a, b].map((tensor) =>
          tensor.named(tensor.name.replace('self_attn.q_proj', 'input_layernorm')),
        ),
      ),
      want: 'ModulesNotInBase',
    },
  ]

  it.each(table)('$name', async ({ name, lora, options, want }) => {
    const folder = join(work, name.replaceAll(/\W+/g, '-'))
    await writeAdapter(folder, lora)
    const verdict = judge(folder, options)
    expect(verdict.verdict === 'Refused' ? reasonsOf(verdict)[0] : verdict.verdict).toBe(want)
  })
})

import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { maxConfigBytes } from './adapter-files.ts'
import { checkPeftConfig } from './peft-checks.ts'
import { parsePeftConfig, peftConfigOf, rankAndScaling } from './peft-config.ts'
import { compilePeftPattern } from './peft-pattern.ts'

const good = { r: 8, lora_alpha: 16, target_modules: ['q_proj'] }
const reasonsOf = (config: Record<string, unknown>): string[] =>
  checkPeftConfig(config, { maxRank: 64 }).map(({ reason }) => reason)

describe('adapter_config.json', () => {
  it.each<[string, Record<string, unknown>, string[]]>([
    ['the required fields suffice', {}, []],
    [
      'null, false and empty are absent',
      {
        use_bdlora: null,
        use_dora: false,
        modules_to_save: [],
        layer_replication: [],
        loftq_config: {},
        alora_invocation_tokens: null,
        lora_bias: false,
        rank_pattern: null,
        alpha_pattern: {},
        use_qalora: false,
        qalora_group_size: 16,
        bias: 'none',
      },
      [],
    ],
    ['a target may be an expression', { target_modules: '.*q_proj' }, []],
    ['a target may be null, as with target_parameters', { target_modules: null }, []],
    ['rsLoRA is served', { use_rslora: true }, []],
    ['another kind of adapter', { peft_type: 'IA3' }, ['NotLora']],
    ['no rank', { r: undefined }, ['ConfigFieldMissing']],
    ['a rank of zero', { r: 0 }, ['RankInvalid']],
    ['a rank in words', { r: '8' }, ['RankInvalid']],
    ['half a rank', { r: 8.5 }, ['RankInvalid']],
    ['a rank of null', { r: null }, ['RankInvalid']],
    ['a pattern of ranks with zero', { rank_pattern: { a: 0 } }, ['RankInvalid']],
    ['a pattern of ranks that is a list', { rank_pattern: [8] }, ['RankInvalid']],
    ['a rank above the pool’s', { r: 65 }, ['RankTooLarge']],
    ['a pattern above the pool’s rank', { rank_pattern: { q_proj: 128 } }, ['RankTooLarge']],
    ['an alpha in words', { lora_alpha: '16' }, ['AlphaInvalid']],
    ['an alpha pattern in words', { alpha_pattern: { a: 'b' } }, ['AlphaInvalid']],
    ['DoRA', { use_dora: true }, ['DoraUnsupported']],
    ['a trained bias', { bias: 'all' }, ['BiasUnsupported']],
    ['a bias of null, which vLLM compares with "none"', { bias: null }, ['BiasUnsupported']],
    ['biases of the LoRA layers', { lora_bias: true }, ['LoraBiasUnsupported']],
    ['a head trained in full', { modules_to_save: ['lm_head'] }, ['ModulesToSaveUnsupported']],
    ['classification heads', { modules_to_save: ['classifier', 'score'] }, []],
    ['PiSSA', { init_lora_weights: 'pissa_niter_16' }, ['InitUnsupported']],
    ['OLoRA', { init_lora_weights: 'olora' }, ['InitUnsupported']],
    ['CorDA', { init_lora_weights: 'corda' }, ['InitUnsupported']],
    ['LoftQ', { init_lora_weights: 'loftq' }, ['InitUnsupported']],
    ['Gaussian', { init_lora_weights: 'Gaussian' }, []],
    ['EVA', { init_lora_weights: 'eva' }, []],
    ['orthogonal', { init_lora_weights: 'orthogonal' }, []],
    ['untrained weights', { init_lora_weights: false }, []],
    ['Activated LoRA', { alora_invocation_tokens: [1, 2] }, ['ActivatedLoraUnsupported']],
    ['replicated layers', { layer_replication: [[0, 2]] }, ['LayerReplicationUnsupported']],
    ['block-diagonal LoRA', { use_bdlora: { target_modules_bd_a: ['q'] } }, ['BdLoraUnsupported']],
    ['QALoRA', { use_qalora: true }, ['QaLoraUnsupported']],
    [
      'several at once',
      { r: 128, use_dora: true, bias: 'all' },
      ['RankTooLarge', 'DoraUnsupported', 'BiasUnsupported'],
    ],
  ])('%s', (_, fields, want) => {
    expect(reasonsOf({ ...good, ...fields })).toEqual(want)
  })

  it('of any content is judged without an exception', () => {
    const fields = [
      'r',
      'lora_alpha',
      'rank_pattern',
      'alpha_pattern',
      'modules_to_save',
      'bias',
      'init_lora_weights',
      'peft_type',
    ]
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...fields), fc.jsonValue()), (config) => {
        reasonsOf({ ...good, ...config })
        rankAndScaling(peftConfigOf(config), 'model.layers.0')
      }),
    )
  })

  it('is bounded in bytes and depth and has no key twice', () => {
    const of = (text: string) => parsePeftConfig(Buffer.from(text))
    expect(of(`{"a":"${'x'.repeat(maxConfigBytes)}"}`)).toMatchObject({
      problem: { reason: 'ConfigTooLarge' },
    })
    expect(of(`${'{"a":'.repeat(17)}1${'}'.repeat(17)}`)).toMatchObject({
      problem: { reason: 'ConfigInvalid' },
    })
    expect(of('{"r":8,"r":128}')).toMatchObject({ problem: { reason: 'ConfigInvalid' } })
    expect(of('[]')).toMatchObject({ problem: { reason: 'ConfigInvalid' } })
    expect(of(`${'{"a":'.repeat(16)}1${'}'.repeat(16)}`).ok).toBe(true)
  })
})

describe('rank and scaling', () => {
  it.each<[string, Record<string, unknown>, string, [number, number]]>([
    ['alpha over r', {}, 'model.layers.0.q_proj', [8, 2]],
    [
      'alpha over the root of r with rsLoRA',
      { use_rslora: true, r: 16, lora_alpha: 8 },
      'x',
      [16, 2],
    ],
    ['a suffix at a dot', { rank_pattern: { q_proj: 4 } }, 'model.layers.0.q_proj', [4, 4]],
    ['not a suffix within a word', { rank_pattern: { proj: 4 } }, 'model.layers.0.q_proj', [8, 2]],
    ['the first match', { rank_pattern: { '0.q_proj': 2, q_proj: 4 } }, 'layers.0.q_proj', [2, 8]],
    [
      'an expression',
      { alpha_pattern: { 'layers\\.\\d+\\.(q|k)_proj': 32 } },
      'layers.12.k_proj',
      [8, 4],
    ],
  ])('%s', (_, fields, module, want) => {
    expect(rankAndScaling(peftConfigOf({ ...good, ...fields }), module)).toEqual(want)
  })

  it('takes no expression that could run away', () => {
    for (const key of [
      '(a+)+',
      '(a|a)*',
      'a{1,9}',
      '(?=a)',
      '(?<x>a)',
      '\\1',
      '[a-z]+',
      '.*.*.*',
      '(a|a)(a|a)',
      '',
      'x'.repeat(513),
    ]) {
      expect(compilePeftPattern(key), key).toBeUndefined()
    }
    for (const key of [
      'q_proj',
      '^model.layers.0.q_proj$',
      '.*\\.q_proj',
      'layers\\.\\d+\\.q_proj',
      '(?:q|k|v)_proj',
    ]) {
      expect(compilePeftPattern(key), key).toBeInstanceOf(RegExp)
    }
  })

  it('runs every expression it takes in little time', () => {
    const name = 'a.'.repeat(250)
    const slow = compilePeftPattern('.*.*(a|a|a|a|a|a|a|a|a)x')
    const start = process.cpuUsage()
    expect(slow?.test(name)).toBe(false)
    expect(process.cpuUsage(start).user).toBeLessThan(2_000_000)
  })
})

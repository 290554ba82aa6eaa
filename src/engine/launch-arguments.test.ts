import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { launchArguments, rankClass, vllmRanks } from './launch-arguments.ts'
import { findReservedFlags } from '../api/reserved-engine-flags.ts'
import type { LaunchSettings } from './types.ts'

const settings: LaunchSettings = {
  modelPath: '/models/llama',
  servedModelName: 'base-1',
  task: 'Generate',
  takesImages: false,
  maxLoras: 8,
  maxCpuLoras: 64,
  maxRank: 16,
  loraDtype: 'BFloat16',
  maxModelLen: undefined,
  quantization: undefined,
  tensorParallel: 1,
  pipelineParallel: 1,
  dataParallel: 1,
  extraArgs: [],
  drainTimeoutSeconds: 30,
}
const place = { host: '127.0.0.1', port: 20_001, apiKey: 'the-key' }

function valueOf(args: readonly string[], flag: string): string | undefined {
  const at = args.indexOf(flag)
  return at < 0 ? undefined : args[at + 1]
}

describe('the arguments of vllm serve', () => {
  it('say what the pool wants', () => {
    const { args } = launchArguments(settings, place)
    expect(args.slice(0, 2)).toEqual(['serve', '/models/llama'])
    expect(valueOf(args, '--served-model-name')).toBe('base-1')
    expect(valueOf(args, '--max-loras')).toBe('8')
    expect(valueOf(args, '--max-cpu-loras')).toBe('64')
    expect(valueOf(args, '--lora-dtype')).toBe('bfloat16')
    expect(valueOf(args, '--shutdown-timeout')).toBe('30')
    expect(args).toContain('--enable-force-include-usage')
    expect(args).not.toContain('--max-model-len')
    expect(args).not.toContain('--tensor-parallel-size')
  })

  it('make an engine embed only where the pool does', () => {
    expect(launchArguments(settings, place).args).not.toContain('--runner')
    const { args } = launchArguments({ ...settings, task: 'Embed' }, place)
    expect(valueOf(args, '--runner')).toBe('pooling')
    expect(valueOf(args, '--convert')).toBe('embed')
  })

  it('let an engine read images only where the pool does, and fetch none', () => {
    const { args: text } = launchArguments(settings, place)
    expect(text).toContain('--language-model-only')
    expect(text).not.toContain('--limit-mm-per-prompt')
    const { args } = launchArguments({ ...settings, takesImages: true }, place)
    expect(args).not.toContain('--language-model-only')
    expect(valueOf(args, '--limit-mm-per-prompt')).toBe('{"image":16,"video":0,"audio":0}')
    expect(launchArguments(settings, place).env['VLLM_MAX_IMAGE_PIXELS']).toBe('33554432')
    for (const all of [text, args]) {
      expect(valueOf(all, '--allowed-media-domains')).toBe('media.invalid')
    }
  })

  it('never hold the key, which every process of the machine could read', () => {
    const { args, env } = launchArguments(settings, place)
    expect(args.join(' ')).not.toContain('the-key')
    expect(env['VLLM_API_KEY']).toBe('the-key')
  })

  it('open runtime loading and close the network', () => {
    const { env } = launchArguments(settings, { ...place, apiKey: undefined })
    expect(env['VLLM_ALLOW_RUNTIME_LORA_UPDATING']).toBe('1')
    expect(env['HF_HUB_OFFLINE']).toBe('1')
    expect(env).not.toHaveProperty('VLLM_API_KEY')
  })

  it('keep one API server under data parallelism, as runtime loading wants', () => {
    const { args } = launchArguments({ ...settings, dataParallel: 2 }, place)
    expect(valueOf(args, '--data-parallel-size')).toBe('2')
    expect(valueOf(args, '--api-server-count')).toBe('1')
  })

  it('never give the host cache fewer places than there are slots', () => {
    const { args } = launchArguments({ ...settings, maxLoras: 8, maxCpuLoras: 4 }, place)
    expect(valueOf(args, '--max-cpu-loras')).toBe('8')
  })

  it('put the user’s own arguments last, one element each', () => {
    const { args } = launchArguments({ ...settings, extraArgs: ['--x', 'a b; rm -rf /'] }, place)
    expect(args.slice(-2)).toEqual(['--x', 'a b; rm -rf /'])
  })

  it('round every rank up to one that vLLM has', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 512 }), (rank) => {
        const found = rankClass(rank)
        expect(vllmRanks).toContain(found)
        expect(found).toBeGreaterThanOrEqual(rank)
        expect(vllmRanks.every((known) => known < rank || known >= found)).toBe(true)
      }),
    )
  })
})

describe('flags that are ours', () => {
  it('cover every flag that launchArguments sets', () => {
    const { args } = launchArguments(
      {
        ...settings,
        dataParallel: 2,
        tensorParallel: 2,
        pipelineParallel: 2,
        maxModelLen: 9,
        quantization: 'fp8',
      },
      place,
    )
    const set = args.filter((arg) => arg.startsWith('--'))
    expect(findReservedFlags(set).map((found) => found.flag)).toEqual(set)
  })
})

import * as fc from 'fast-check'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { MetricsReader, parseMetrics } from './metrics.ts'

const samples = join(import.meta.dirname, '..', '..', 'test', 'contract', 'samples')
const recorded = JSON.parse(readFileSync(join(samples, 'metrics-busy.json'), 'utf8')) as readonly {
  readonly response: { readonly body: string }
}[]
const text = recorded[0]?.response.body ?? ''

describe('the metrics of a real vLLM', () => {
  it('are read: four adapters wanted two slots', () => {
    const read = parseMetrics(text)
    expect(read).toMatchObject({ running: 2, waiting: 2, deferred: 2, kvCacheTokens: 524_288 })
    expect(read.kvCacheUsage).toBeGreaterThan(0)
    expect(read.kvCacheUsage).toBeLessThan(0.01)
    expect(read.processStartTimeSeconds).toBeGreaterThan(1_700_000_000)
    expect(read.promptTokensTotal).toBeGreaterThan(100)
    expect(read.generationTokensTotal).toBeGreaterThan(100)
  })

  it('are the same however they arrive in pieces', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(text.length), { maxLength: 20 }), (cuts) => {
        const at = [0, ...cuts.sort((a, b) => a - b), text.length]
        const reader = new MetricsReader()
        at.slice(1).forEach((end, index) => reader.push(text.slice(at[index], end)))
        expect(reader.finish()).toEqual(parseMetrics(text))
      }),
      { numRuns: 30 },
    )
  })
})

describe('metrics of anybody else', () => {
  it('add the ranks of data parallelism, and take the fullest cache', () => {
    const read = parseMetrics(
      [
        'vllm:num_requests_running{engine="0"} 2.0',
        'vllm:num_requests_running{engine="1"} 3.0',
        'vllm:kv_cache_usage_perc{engine="0"} 0.25',
        'vllm:kv_cache_usage_perc{engine="1"} 0.75',
        'vllm:cache_config_info{block_size="16",engine="0",num_gpu_blocks="100"} 1.0',
        'vllm:cache_config_info{block_size="16",engine="1",num_gpu_blocks="100"} 1.0',
      ].join('\n'),
    )
    expect(read).toMatchObject({ running: 5, kvCacheUsage: 0.75, kvCacheTokens: 3_200 })
  })

  it('leave nothing behind of lines without end', () => {
    const reader = new MetricsReader()
    reader.push('vllm:num_requests_running{engine="0"} 1\n')
    for (let i = 0; i < 64; i += 1) {
      reader.push('x'.repeat(1 << 20))
    }
    reader.push(' 7\nvllm:num_requests_waiting{engine="0"} 2\n')
    expect(reader.finish()).toMatchObject({ running: 1, waiting: 2 })
  })

  it('are nothing rather than NaN when they are nonsense', () => {
    fc.assert(
      fc.property(fc.string(), (line) => {
        const read = parseMetrics(`vllm:num_requests_running ${line}\n${line}`)
        expect(Number.isFinite(read.running)).toBe(true)
      }),
    )
  })
})

import type { EngineMetrics } from './types.ts'

/** A line longer than this is skipped: none that we read is (`cache_config_info` has 1,400 bytes). */
const maxLineLength = 64 * 1024

/**
 * Reads the Prometheus text of vLLM as it arrives. It keeps sums, never lines: `lora_requests_info` gains a series for
 * each combination of adapters ever seen, and a hostile engine sends what it likes.
 */
export class MetricsReader {
  #rest = ''
  #isSkipping = false
  readonly #sums = new Map<string, number>()
  #kvCacheTokens: number | undefined

  push(chunk: string): void {
    const lines = (this.#rest + chunk).split('\n')
    this.#rest = lines.pop() ?? ''
    for (const line of lines) {
      if (!this.#isSkipping && line.length <= maxLineLength) {
        this.#readLine(line)
      }
      this.#isSkipping = false
    }
    if (this.#rest.length > maxLineLength) {
      this.#rest = ''
      this.#isSkipping = true
    }
  }

  /** What was read; a gauge that never came is 0, as vLLM omits series before their first use. */
  finish(): EngineMetrics {
    this.push('\n')
    const sum = (key: string) => this.#sums.get(key) ?? 0
    return {
      running: sum('vllm:num_requests_running'),
      waiting: sum('vllm:num_requests_waiting'),
      deferred: sum('deferred'),
      kvCacheUsage: sum('vllm:kv_cache_usage_perc'),
      kvCacheTokens: this.#kvCacheTokens,
      processStartTimeSeconds: this.#sums.get('process_start_time_seconds'),
      promptTokensTotal: sum('vllm:prompt_tokens_total'),
      generationTokensTotal: sum('vllm:generation_tokens_total'),
    }
  }

  #readLine(line: string): void {
    const name = /^[A-Za-z_:][\w:]*/.exec(line)?.[0]
    if (name === undefined || !wanted.has(name)) {
      return
    }
    const value = Number(line.slice(line.lastIndexOf(' ') + 1))
    if (!Number.isFinite(value)) {
      return
    }
    if (name === 'vllm:cache_config_info') {
      this.#addKvCache(line)
    } else if (name === 'vllm:num_requests_waiting_by_reason') {
      this.#add(line.includes('reason="deferred"') ? 'deferred' : '', value)
    } else if (name === 'vllm:kv_cache_usage_perc') {
      // Under data parallelism each rank has a cache of its own: the fullest one decides.
      this.#sums.set(name, Math.max(this.#sums.get(name) ?? 0, value))
    } else {
      this.#add(name, value)
    }
  }

  #add(key: string, value: number): void {
    this.#sums.set(key, (this.#sums.get(key) ?? 0) + value)
  }

  #addKvCache(line: string): void {
    const label = (name: string) => {
      const text = new RegExp(`[{,]${name}="(\\d{1,15})"`).exec(line)?.[1]
      return text === undefined ? undefined : Number(text)
    }
    const blocks = label('num_gpu_blocks')
    const blockSize = label('block_size')
    const counted = blocks === undefined || blockSize === undefined ? undefined : blocks * blockSize
    const tokens = label('kv_cache_size_tokens') ?? counted
    if (tokens !== undefined) {
      this.#kvCacheTokens = (this.#kvCacheTokens ?? 0) + tokens
    }
  }
}

const wanted: ReadonlySet<string> = new Set([
  'vllm:num_requests_running',
  'vllm:num_requests_waiting',
  'vllm:num_requests_waiting_by_reason',
  'vllm:kv_cache_usage_perc',
  'vllm:cache_config_info',
  'vllm:prompt_tokens_total',
  'vllm:generation_tokens_total',
  'process_start_time_seconds',
])

export function parseMetrics(text: string): EngineMetrics {
  const reader = new MetricsReader()
  reader.push(text)
  return reader.finish()
}

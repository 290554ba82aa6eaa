import { Histogram, pythonFloat } from './histogram.ts'
import type { ModelGauges } from './model-types.ts'
import { blockTokens } from './prefix-cache.ts'

const latencies = [
  0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680,
]
const firstTokens = [
  0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80,
  160, 640, 2560,
]
const perToken = [
  0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80,
]
const perStep = [1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384]

/** 1, 2, 5, 10, 20, 50 … up to `max`. */
function oneTwoFive(max: number): readonly number[] {
  const bounds: number[] = []
  for (let power = 1; power <= max; power *= 10) {
    bounds.push(...[1, 2, 5].map((digit) => digit * power).filter((bound) => bound <= max))
  }
  return bounds
}

export type FinishReason = 'stop' | 'length' | 'abort' | 'error' | 'repetition'
const finishReasons: readonly FinishReason[] = ['stop', 'length', 'abort', 'error', 'repetition']

export interface MetricsOptions {
  readonly modelName: string
  readonly maxLoras: number
  readonly kvTokens: number
  readonly maxModelLen: number
  /** Unix seconds with a fraction. */
  readonly startedAtSeconds: number
}

/** What vLLM counts and how it writes it at /metrics. Histograms of times are in seconds. */
export class EngineMetrics {
  readonly #options: MetricsOptions
  readonly #finished = new Map<FinishReason, number>(finishReasons.map((reason) => [reason, 0]))
  /** Every combination and order of names ever written, with the time of its last write: vLLM never deletes one. */
  readonly #loraInfo = new Map<string, number>()
  readonly firstToken = new Histogram(firstTokens)
  readonly interToken = new Histogram(perToken)
  readonly perOutputToken = new Histogram(perToken)
  readonly endToEnd = new Histogram(latencies)
  readonly queueTime = new Histogram(latencies)
  readonly inferenceTime = new Histogram(latencies)
  readonly prefillTime = new Histogram(latencies)
  readonly decodeTime = new Histogram(latencies)
  readonly stepTokens = new Histogram(perStep)
  readonly promptLength: Histogram
  readonly outputLength: Histogram
  readonly maxTokens: Histogram
  promptTokens = 0
  cachedTokens = 0
  generationTokens = 0
  overloads = 0

  constructor(options: MetricsOptions) {
    this.#options = options
    this.promptLength = new Histogram(oneTwoFive(options.maxModelLen))
    this.outputLength = new Histogram(oneTwoFive(options.maxModelLen))
    this.maxTokens = new Histogram(oneTwoFive(options.maxModelLen))
  }

  finish(reason: FinishReason): void {
    this.#finished.set(reason, (this.#finished.get(reason) ?? 0) + 1)
  }

  /** At every step: the adapters that have tokens in it, comma-joined; '' for none. Both labels hold the same names. */
  noteAdapters(names: string, atSeconds: number): void {
    this.#loraInfo.set(names, atSeconds)
  }

  text(gauges: ModelGauges): string {
    return (
      this.#process() +
      this.#gauges(gauges) +
      this.#counters(gauges) +
      this.#histograms() +
      this.#infos()
    )
  }

  get #model(): string {
    return `model_name="${this.#options.modelName}"`
  }

  #process(): string {
    const help = 'Start time of the process since unix epoch in seconds.'
    return `${head('process_start_time_seconds', 'gauge', help)}process_start_time_seconds ${pythonFloat(this.#options.startedAtSeconds)}\n`
  }

  #gauges({ running, waiting, deferred, kvCacheUsage }: ModelGauges): string {
    const l = `engine="0",${this.#model}`
    return [
      family('num_requests_running', 'gauge', 'Number of requests in model execution batches.', [
        [l, running],
      ]),
      family('num_requests_waiting', 'gauge', 'Number of requests waiting to be processed.', [
        [l, waiting + deferred],
      ]),
      family('num_requests_waiting_by_reason', 'gauge', 'Number of waiting requests by reason.', [
        [`${l},reason="capacity"`, waiting],
        [`${l},reason="deferred"`, deferred],
      ]),
      family('engine_sleep_state', 'gauge', 'Engine sleep state.', [
        [`${l},sleep_state="awake"`, 1],
        [`${l},sleep_state="weights_offloaded"`, 0],
        [`${l},sleep_state="discard_all"`, 0],
      ]),
      family('kv_cache_usage_perc', 'gauge', 'KV-cache usage. 1 means 100 percent usage.', [
        [l, kvCacheUsage],
      ]),
    ].join('')
  }

  #counters(gauges: ModelGauges): string {
    const l = `engine="0",${this.#model}`
    const finished = finishReasons.map((reason): Sample => [
      `engine="0",finished_reason="${reason}",${this.#model}`,
      this.#finished.get(reason) ?? 0,
    ])
    return [
      family(
        'prefix_cache_queries_total',
        'counter',
        'Prefix cache queries, in terms of number of queried tokens.',
        [[l, gauges.prefixQueries]],
      ),
      family(
        'prefix_cache_hits_total',
        'counter',
        'Prefix cache hits, in terms of number of cached tokens.',
        [[l, gauges.prefixHits]],
      ),
      family(
        'num_preemptions_total',
        'counter',
        'Cumulative number of preemption from the engine.',
        [[l, gauges.preemptions]],
      ),
      family('prompt_tokens_total', 'counter', 'Number of prefill tokens processed.', [
        [l, this.promptTokens],
      ]),
      family('prompt_tokens_by_source_total', 'counter', 'Number of prompt tokens by source.', [
        [`${l},source="local_compute"`, this.promptTokens - this.cachedTokens],
        [`${l},source="local_cache_hit"`, this.cachedTokens],
        [`${l},source="external_kv_transfer"`, 0],
      ]),
      family(
        'prompt_tokens_cached_total',
        'counter',
        'Number of cached prompt tokens (local + external).',
        [[l, this.cachedTokens]],
      ),
      family('generation_tokens_total', 'counter', 'Number of generation tokens processed.', [
        [l, this.generationTokens],
      ]),
      family(
        'request_success_total',
        'counter',
        'Count of successfully processed requests.',
        finished,
      ),
      family(
        'admission_rejections_total',
        'counter',
        'Number of admission attempts rejected by a queue limit, by reason.',
        [
          [`${this.#model},reason="max_num_queued_reqs"`, this.overloads],
          [`${this.#model},reason="max_num_queued_tokens"`, 0],
        ],
      ),
    ].join('')
  }

  #histograms(): string {
    const all: readonly (readonly [string, string, Histogram])[] = [
      ['request_prompt_tokens', 'Number of prefill tokens processed.', this.promptLength],
      ['request_generation_tokens', 'Number of generation tokens processed.', this.outputLength],
      ['iteration_tokens_total', 'Histogram of number of tokens per engine_step.', this.stepTokens],
      [
        'request_params_max_tokens',
        'Histogram of the max_tokens request parameter.',
        this.maxTokens,
      ],
      [
        'time_to_first_token_seconds',
        'Histogram of time to first token in seconds.',
        this.firstToken,
      ],
      [
        'inter_token_latency_seconds',
        'Histogram of inter-token latency in seconds.',
        this.interToken,
      ],
      [
        'request_time_per_output_token_seconds',
        'Histogram of time_per_output_token_seconds per request.',
        this.perOutputToken,
      ],
      [
        'e2e_request_latency_seconds',
        'Histogram of e2e request latency in seconds.',
        this.endToEnd,
      ],
      [
        'request_queue_time_seconds',
        'Histogram of time spent in WAITING phase for request.',
        this.queueTime,
      ],
      [
        'request_inference_time_seconds',
        'Histogram of time spent in RUNNING phase for request.',
        this.inferenceTime,
      ],
      [
        'request_prefill_time_seconds',
        'Histogram of time spent in PREFILL phase for request.',
        this.prefillTime,
      ],
      [
        'request_decode_time_seconds',
        'Histogram of time spent in DECODE phase for request.',
        this.decodeTime,
      ],
    ]
    return all
      .map(
        ([name, help, values]) =>
          head(`vllm:${name}`, 'histogram', help) +
          values.lines(`vllm:${name}`, 'engine="0"', this.#model),
      )
      .join('')
  }

  #infos(): string {
    const { maxLoras, kvTokens } = this.#options
    const adapters = [...this.#loraInfo].map(([names, at]): Sample => [
      `max_lora="${maxLoras}",running_lora_adapters="${names}",waiting_lora_adapters="${names}"`,
      at,
    ])
    const cache = [
      `block_size="${blockTokens}",enable_prefix_caching="True",engine="0"`,
      `kv_cache_size_tokens="${kvTokens}",num_gpu_blocks="${Math.floor(kvTokens / blockTokens)}"`,
    ].join(',')
    return (
      family('lora_requests_info', 'gauge', 'Running stats on lora requests.', adapters) +
      family('cache_config_info', 'gauge', 'Information of the LLMEngine CacheConfig', [[cache, 1]])
    )
  }
}

type Sample = readonly [labels: string, value: number]

function family(
  name: string,
  type: 'gauge' | 'counter',
  help: string,
  samples: readonly Sample[],
): string {
  const lines = samples.map(([labels, value]) => `vllm:${name}{${labels}} ${pythonFloat(value)}\n`)
  return head(`vllm:${name}`, type, help) + lines.join('')
}

function head(name: string, type: string, help: string): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`
}

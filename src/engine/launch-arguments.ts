import { maxImages } from '../api/max-images.ts'
import { reservedEngineVariables } from '../api/reserved-engine-variables.ts'
import type { LaunchSettings } from './types.ts'

/** Ranks vLLM has kernels for (`--max-lora-rank`); any other stops it at start. */
export const vllmRanks = [1, 8, 16, 32, 64, 128, 256, 320, 512] as const

export interface LaunchPlace {
  readonly host: string
  readonly port: number
  /** Goes through the environment: a command line is readable by every process of the machine. */
  readonly apiKey: string | undefined
  /** The executable is a CPU build (version `…+cpu`). */
  readonly isCpuBuild?: boolean
}

export interface LaunchCommand {
  /** After `vllm serve`; never goes through a shell. */
  readonly args: readonly string[]
  /** To be laid over the parent's environment. */
  readonly env: Readonly<Record<string, string>>
}

/** How `vllm serve` is started for these settings. Flags and defaults: `vllm/engine/arg_utils.py` of 0.32. */
export function launchArguments(settings: LaunchSettings, place: LaunchPlace): LaunchCommand {
  return {
    args: [
      'serve',
      settings.modelPath,
      ...flag('host', place.host),
      ...flag('port', place.port),
      ...modelFlags(settings),
      ...loraFlags(settings),
      ...parallelFlags(settings),
      ...fixedFlags,
      // Its kernels are plain PyTorch, and there is nothing to capture.
      ...(place.isCpuBuild === true ? ['--enforce-eager'] : []),
      ...flag('shutdown-timeout', settings.drainTimeoutSeconds),
      ...settings.extraArgs,
    ],
    env: {
      ...launchEnvironment(place.apiKey),
      ...(place.isCpuBuild === true ? cpuEnvironment : {}),
    },
  }
}

function modelFlags(settings: LaunchSettings): readonly string[] {
  return [
    ...flag('served-model-name', settings.servedModelName),
    ...flag('max-model-len', settings.maxModelLen),
    ...flag('quantization', settings.quantization),
    // Without the second one a checkpoint that was made to generate would not be taken.
    ...(settings.task === 'Embed' ? ['--runner', 'pooling', '--convert', 'embed'] : []),
    ...mediaFlags(settings),
  ]
}

/** I8: what the pool does not take, its engine does not either; a model that reads text only ignores these flags. */
function mediaFlags({ takesImages }: LaunchSettings): readonly string[] {
  return [
    ...(takesImages
      ? flag('limit-mm-per-prompt', JSON.stringify({ image: maxImages, video: 0, audio: 0 }))
      : ['--language-model-only']),
    // Without a list every host is allowed. This name is nobody's (RFC 6761).
    ...flag('allowed-media-domains', 'media.invalid'),
  ]
}

function loraFlags(settings: LaunchSettings): readonly string[] {
  return [
    '--enable-lora',
    ...flag('max-loras', settings.maxLoras),
    // A host cache below the slots is refused at start.
    ...flag('max-cpu-loras', Math.max(settings.maxCpuLoras, settings.maxLoras)),
    ...flag('max-lora-rank', rankClass(settings.maxRank)),
    ...flag('lora-dtype', settings.loraDtype.toLowerCase()),
  ]
}

function parallelFlags(settings: LaunchSettings): readonly string[] {
  const { tensorParallel, pipelineParallel, dataParallel } = settings
  return [
    ...(tensorParallel > 1 ? flag('tensor-parallel-size', tensorParallel) : []),
    ...(pipelineParallel > 1 ? flag('pipeline-parallel-size', pipelineParallel) : []),
    // Runtime LoRA refuses several API servers, and their number follows the data-parallel size.
    ...(dataParallel > 1
      ? [...flag('data-parallel-size', dataParallel), ...flag('api-server-count', 1)]
      : []),
  ]
}

const fixedFlags: readonly string[] = [
  '--enable-force-include-usage',
  '--enable-prompt-tokens-details',
  '--disable-fastapi-docs',
  '--disable-uvicorn-access-log',
  // Else every answer tells a tenant the version and topology.
  ...flag('fingerprint-mode', 'none'),
]

function launchEnvironment(apiKey: string | undefined): Record<string, string> {
  return {
    VLLM_ALLOW_RUNTIME_LORA_UPDATING: '1',
    // A path that does not exist would otherwise be taken for a hub name and downloaded inside the engine.
    HF_HUB_OFFLINE: '1',
    VLLM_NO_USAGE_STATS: '1',
    DO_NOT_TRACK: '1',
    VLLM_MEDIA_URL_ALLOW_REDIRECTS: '0',
    // A file of a few kilobytes can be a picture of gigabytes; vLLM's own bound is five times this. 100 MB each, as RGB.
    VLLM_MAX_IMAGE_PIXELS: '33554432',
    ...(apiKey === undefined ? {} : { VLLM_API_KEY: apiKey }),
  }
}

const cpuEnvironment: Readonly<Record<string, string>> = {
  /** GiB; the default is half of the machine's memory. */
  VLLM_CPU_KVCACHE_SPACE: process.env['VLLM_CPU_KVCACHE_SPACE'] ?? '1',
  // Without it the first request for logprobs, which is a canary's, compiles a kernel for 12 to 20 s (measured).
  TORCHDYNAMO_DISABLE: '1',
}

/** Variables of our own environment that must not reach the engine. */
export const strippedVariables: readonly string[] = [...reservedEngineVariables, 'VLLM_API_KEY']

/** The smallest of vLLM's ranks that holds `rank`; the largest one when none does. */
export function rankClass(rank: number): number {
  return vllmRanks.find((known) => known >= rank) ?? 512
}

function flag(name: string, value: string | number | undefined): readonly string[] {
  return value === undefined ? [] : [`--${name}`, String(value)]
}

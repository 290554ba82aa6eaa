import type { LatencyProfile } from './profile.ts'
import { tiny } from './profile.ts'

/**
 * How the simulated engine is set up. Defaults are those of `vllm serve` 0.32, except where a comment says that they are
 * those with which Loraplex launches it.
 */
export interface SimulatorOptions {
  readonly host?: string
  /** 0: any free one. */
  readonly port?: number
  /** `--model`: a folder with a config.json, or any name. */
  readonly modelPath?: string
  readonly servedModelNames?: readonly string[]
  /** `--runner pooling --convert embed`: embeddings and scores, and nothing that generates. */
  readonly task?: 'Generate' | 'Embed'
  /** `--limit-mm-per-prompt` with images: a base that reads them. A base of text answers 400. */
  readonly takesImages?: boolean
  /** `--tool-call-parser`. Without one vLLM refuses every choice of a tool. */
  readonly toolCalls?: boolean
  /** Context length; default: the config's. */
  readonly maxModelLen?: number
  readonly enableLora?: boolean
  readonly maxLoras?: number
  /** Default: maxLoras. */
  readonly maxCpuLoras?: number
  readonly maxRank?: number
  readonly maxNumSeqs?: number
  readonly maxNumBatchedTokens?: number
  /** In-flight requests beyond this are answered 503. Default: none. */
  readonly maxNumQueuedReqs?: number
  readonly apiKey?: string
  /** VLLM_ALLOW_RUNTIME_LORA_UPDATING. As launched: true. */
  readonly runtimeLora?: boolean
  /** Usage in every chunk of every stream. As launched: true. */
  readonly forceIncludeUsage?: boolean
  /** Cached tokens in usage. As launched: true. */
  readonly promptTokensDetails?: boolean
  /** `system_fingerprint` in answers. As launched: false. */
  readonly fingerprint?: boolean
  readonly loraModules?: readonly { readonly name: string; readonly path: string }[]
  readonly profile?: LatencyProfile
  /** Until then the port is not open. Milliseconds. */
  readonly startupMs?: number
  /** Seeds the noise of log probabilities and ids. */
  readonly seed?: number
  readonly version?: string
  /** Words of an answer before its end token; default: what the text says (9–32). */
  readonly answerTokens?: number
  /** Opens `/simulator/faults` and `/simulator/state`. */
  readonly faults?: boolean
  /** From the engine's death to the end of the process, in milliseconds: vLLM's watchdog looks every 5 s. */
  readonly exitAfterDeathMs?: number
  /** `--shutdown-timeout`, in milliseconds: how long `close` lets requests finish. */
  readonly drainMs?: number
  /** The engine died, or a `Crash` with `exit` struck: a process would exit now. The port is closed by then. */
  readonly onExit?: (reason: string) => void
}

export type SimulatorSettings = Required<
  Omit<
    SimulatorOptions,
    'apiKey' | 'modelPath' | 'maxModelLen' | 'maxNumQueuedReqs' | 'answerTokens'
  >
> &
  Pick<
    SimulatorOptions,
    'apiKey' | 'modelPath' | 'maxModelLen' | 'maxNumQueuedReqs' | 'answerTokens'
  >

export function withDefaults(options: SimulatorOptions): SimulatorSettings {
  const maxLoras = options.maxLoras ?? 1
  return {
    host: '127.0.0.1',
    port: 0,
    servedModelNames: [options.modelPath ?? 'simulated'],
    task: 'Generate',
    takesImages: false,
    toolCalls: false,
    enableLora: true,
    maxRank: 16,
    maxNumSeqs: 256,
    maxNumBatchedTokens: 2048,
    runtimeLora: true,
    forceIncludeUsage: true,
    promptTokensDetails: true,
    fingerprint: false,
    loraModules: [],
    profile: tiny,
    startupMs: 0,
    seed: 0,
    version: '0.32.0',
    faults: true,
    exitAfterDeathMs: 5_000,
    drainMs: 0,
    onExit: () => undefined,
    ...definedOnly(options),
    maxLoras,
    maxCpuLoras: Math.max(options.maxCpuLoras ?? maxLoras, maxLoras),
  }
}

function definedOnly(options: SimulatorOptions): SimulatorOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}

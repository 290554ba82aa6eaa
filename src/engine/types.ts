/** One vLLM server, real or simulated, as the agent and the gateway reach it. */
export interface EngineAddress {
  /** `http://127.0.0.1:41233`, without a path. */
  readonly url: string
  /** Sent as `Authorization: Bearer …`; per pool revision, never a tenant's. */
  readonly apiKey: string | undefined
}

/**
 * What became of a load. vLLM's status does not classify (a rank too large is 500), so the message does.
 * `Refused` is permanent for this content; `Transient` is worth another try; `EngineGone` is no answer at all.
 */
export type LoadOutcome =
  | { readonly outcome: 'Loaded' }
  | { readonly outcome: 'AlreadyLoaded' }
  | { readonly outcome: 'Refused'; readonly reason: string; readonly message: string }
  | { readonly outcome: 'Transient'; readonly reason: string; readonly message: string }
  | { readonly outcome: 'EngineGone'; readonly message: string }

export type UnloadOutcome =
  | { readonly outcome: 'Unloaded' }
  | { readonly outcome: 'NotLoaded' }
  | { readonly outcome: 'EngineGone'; readonly message: string }

export interface EngineModel {
  readonly id: string
  /** The adapter's path on the engine, or the base's `--model`. */
  readonly root: string | undefined
  /** Undefined for the base. */
  readonly parent: string | undefined
  readonly maxModelLen: number | undefined
  readonly ownedBy: string
}

/** What `/metrics` says, as far as we use it. */
export interface EngineMetrics {
  readonly running: number
  readonly waiting: number
  /** Requests that wait for a LoRA slot (`reason="deferred"`). */
  readonly deferred: number
  /** 0–1. */
  readonly kvCacheUsage: number
  readonly kvCacheTokens: number | undefined
  /** Identifies the engine process: changes when it restarts. Unix seconds with a fraction. */
  readonly processStartTimeSeconds: number | undefined
  readonly promptTokensTotal: number
  readonly generationTokensTotal: number
}

/** Top-k log probabilities by token position for one prompt; what the canary compares. */
export interface CanaryAnswer {
  readonly text: string
  /** One map a position: token → logprob. */
  readonly positions: readonly ReadonlyMap<string, number>[]
}

export type CanaryOutcome =
  | { readonly outcome: 'Answered'; readonly answer: CanaryAnswer }
  /** NaN or infinity in the answer, or vLLM's refusal to write one. */
  | { readonly outcome: 'NonFinite'; readonly message: string }
  | { readonly outcome: 'Failed'; readonly status: number; readonly message: string }
  | { readonly outcome: 'EngineGone'; readonly message: string }

export interface EngineClient {
  readonly address: EngineAddress
  version(signal?: AbortSignal): Promise<string>
  models(signal?: AbortSignal): Promise<readonly EngineModel[]>
  metrics(signal?: AbortSignal): Promise<EngineMetrics>
  load(name: string, path: string, signal?: AbortSignal): Promise<LoadOutcome>
  unload(name: string, signal?: AbortSignal): Promise<UnloadOutcome>
  /**
   * Greedy completion of `prompt` by `model`, `tokens` long, with top-`logprobs` log probabilities; from an engine that
   * embeds, the embedding.
   */
  complete(request: CanaryRequest, signal?: AbortSignal): Promise<CanaryOutcome>
  close(): Promise<void>
}

export interface CanaryRequest {
  readonly model: string
  readonly prompt: string
  readonly tokens: number
  readonly logprobs: number
  /** Keeps the canary's KV blocks apart from everybody's. */
  readonly cacheSalt: string
}

/** What a backend says of one engine it looks after. */
export type EngineState =
  | { readonly state: 'Starting'; readonly detail: string }
  | { readonly state: 'Ready'; readonly version: string; readonly simulated: boolean }
  | { readonly state: 'Restarting'; readonly detail: string; readonly retryInMs: number }
  | { readonly state: 'Failed'; readonly reason: string; readonly message: string }
  | { readonly state: 'Stopped' }

/** One engine under somebody's supervision: a child process, or a server that already runs. */
export interface Engine {
  /** Stable for the engine's place, not for its process: `<pool>-0`. */
  readonly name: string
  readonly address: EngineAddress
  /** The base's name inside vLLM (`--served-model-name`), a hash of base, revision and engine configuration. */
  readonly servedModelName: string
  /** Where the engine sees the content store; equals ours unless `engine.endpoints[].adapterRoot` says otherwise. */
  readonly adapterRoot: string | undefined
  readonly state: EngineState
  /** Called at once with the present state and then at every change. Returns the unsubscribe. */
  watch(onState: (state: EngineState) => void): () => void
  start(): void
  /** Ends the process and starts it again; for an endpoint that cannot be restarted from here: false. */
  restart(reason: string): Promise<boolean>
  /** Ends the process cleanly: SIGTERM, then SIGKILL after `graceMs`. Resolves when it is gone. */
  stop(graceMs: number): Promise<void>
}

/** The pool's settings that decide how its engine is launched. */
export interface LaunchSettings {
  readonly modelPath: string
  readonly servedModelName: string
  readonly task: 'Generate' | 'Embed'
  readonly takesImages: boolean
  readonly maxLoras: number
  readonly maxCpuLoras: number
  readonly maxRank: number
  readonly loraDtype: 'Auto' | 'Float16' | 'BFloat16'
  readonly maxModelLen: number | undefined
  readonly quantization: string | undefined
  readonly tensorParallel: number
  readonly pipelineParallel: number
  readonly dataParallel: number
  readonly extraArgs: readonly string[]
  readonly drainTimeoutSeconds: number
}

/** Why an adapter is refused, in words for its tenant; the code becomes the condition's reason. */
export interface AdapterProblem {
  /** CamelCase, from a closed list: the reason of condition `Fetched` or `Compatible`. */
  readonly reason: string
  /** One or two sentences: what is wrong, and what to do about it. Never a server path outside the adapter's own folder. */
  readonly message: string
}

/** What the preflight learned about an adapter; everything a status shows. */
export interface AdapterFacts {
  readonly rank: number
  readonly alpha: number
  readonly sizeBytes: number
  readonly targetModules: readonly string[]
  readonly baseModel: string | undefined
  readonly tensors: number
}

/** `Unknown`: nothing is wrong, but the base's architecture is not known here, so the canary decides. */
export type PreflightVerdict =
  | {
      readonly verdict: 'Compatible'
      readonly facts: AdapterFacts
      readonly notices: readonly string[]
    }
  | {
      readonly verdict: 'Unknown'
      readonly facts: AdapterFacts
      readonly notices: readonly string[]
      /** The base may become known: worth another look. */
      readonly provisional?: boolean
    }
  /** Most important first, at least one. */
  | { readonly verdict: 'Refused'; readonly problems: readonly AdapterProblem[] }
  /** Nothing was learned about the adapter: a busy pool, a crashed or slow worker, an unreadable disk. Worth trying again. */
  | { readonly verdict: 'Failed'; readonly problem: AdapterProblem }

/** The limits a pool sets on its adapters, with the base to compare with. */
export interface PreflightOptions {
  /** Folder with the base's config.json and, where they are there, its safetensors files. */
  readonly baseModelPath: string | undefined
  /** The base its owner says it was trained on; undefined: what adapter_config.json says. */
  readonly baseModel?: string | undefined
  /** Names an adapter may give as its base: the pool's own and its mirrors. Empty: any. */
  readonly baseModelNames: readonly string[]
  readonly baseModelCheck: 'Warn' | 'Strict'
  readonly maxRank: number
  /** What vLLM casts weights to. `Auto` is the base's own dtype. */
  readonly dtype: 'Auto' | 'Float16' | 'BFloat16'
}

/** Content in the store: `digest` is `sha256sum adapter_config.json adapter_model.safetensors | sha256sum`, in hex. */
export interface StoredAdapter {
  readonly digest: string
  /** Absolute, immutable; holds adapter_config.json and adapter_model.safetensors and nothing else. */
  readonly path: string
  readonly sizeBytes: number
}

export type FetchOutcome =
  | { readonly outcome: 'Stored'; readonly adapter: StoredAdapter }
  | { readonly outcome: 'Refused'; readonly problem: AdapterProblem }
  /** Worth trying again: the disk was full, the file changed while it was read. */
  | { readonly outcome: 'Failed'; readonly problem: AdapterProblem }

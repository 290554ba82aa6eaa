/** What the load generator is told (one JSON object on stdin) and what it answers (one on stdout). */
export interface LoadJob {
  /** `http://127.0.0.1:41233` */
  readonly url: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  /** Request bodies, taken in turn. */
  readonly bodies: readonly string[]
  readonly arrivals: ClosedLoop | OpenLoop | Held
  /** Content frames and [DONE] that a whole answer holds; another number counts as an error. Absent: not checked. */
  readonly wantFrames?: number
  /** Root of the process tree whose CPU time and memory are read around the measured part. */
  readonly watchPid?: number
}

/** `connections` callers, each sending its next request when its last is answered: for cost per request. */
export interface ClosedLoop {
  readonly kind: 'Closed'
  readonly connections: number
  /** Requests answered before measuring starts, and while measuring. */
  readonly warmup: number
  readonly requests: number
}

/**
 * Requests at a fixed rate, whatever has been answered: a slow answer delays nobody's sending (no coordinated omission).
 * A connection is opened whenever none is free.
 */
export interface OpenLoop {
  readonly kind: 'Open'
  readonly requestsPerSecond: number
  readonly warmupSeconds: number
  readonly seconds: number
}

/** `connections` callers for so long, each sending its next request when its last is answered; others beside them stop reading. */
export interface Held {
  readonly kind: 'Held'
  readonly connections: number
  readonly seconds: number
  /** What they ask for, how many they are, and after how long they leave and come again. */
  readonly stopped: { readonly body: string; readonly connections: number; readonly holdMs: number }
}

/** Memory of the watched tree at some time since the measured part began. */
export interface RssSample {
  readonly seconds: number
  readonly bytes: number
}

export interface Percentiles {
  readonly count: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly max: number
}

export interface LoadResult {
  readonly requests: number
  readonly errors: number
  readonly firstError: string | undefined
  readonly faults: Readonly<Record<string, number>>
  readonly frames: number
  /** Sum of `usage.completion_tokens` as the answers' last bytes state it. */
  readonly completionTokens: number
  readonly wallSeconds: number
  /** Of the watched tree, over the measured part. */
  readonly cpuSeconds: number
  readonly rssBytesMax: number
  readonly rssBytesAtEnd: number
  /** Of a `Held` load. */
  readonly rss: readonly RssSample[]
  /** Streams of readers that stopped, and those of them that the target ended. */
  readonly stopped: { readonly begun: number; readonly cut: number }
  /** Of the generator itself: near `wallSeconds` it was the bottleneck. */
  readonly generatorCpuSeconds: number
  /** Send to last byte. */
  readonly latencyMs: Percentiles
  /** Send to first body byte. */
  readonly firstByteMs: Percentiles
  /** Between two arrivals of frames on one stream. */
  readonly gapMs: Percentiles
  /** How late the generator sent, against its schedule; open loop only. */
  readonly lagMs: Percentiles
}

import type { AgentLink, ResidencyState } from '../api/agent-protocol.ts'
import type { FetchOutcome, StoredAdapter } from '../artifacts/types.ts'
import type { Engine, EngineAddress, EngineClient } from '../engine/types.ts'
import { slotDefaults } from '../core/slots.ts'
import type { Clock } from './clock.ts'
import type { Logger } from './logger.ts'

/** What of the content store the agent needs. */
export interface AdapterShelf {
  get(digest: string): Promise<StoredAdapter | undefined>
  /** Brings what is not there; undefined where somebody else does that. Rejects with the signal's reason only. */
  fetch?(digest: string, signal: AbortSignal): Promise<FetchOutcome>
}

export interface CanarySettings {
  /** Plain text, at least three: an adapter may leave one of them untouched. Short: a load of twenty waits for them. */
  readonly prompts: readonly string[]
  /** For the base alone, at its start and in doubt. Longer, to come by more KV blocks. */
  readonly sentinelPrompts: readonly string[]
  /** Positions compared when the first one is not enough. */
  readonly tokens: number
  /** Top-k. */
  readonly logprobs: number
  /** Answers of the base are shared by canaries for so long. */
  readonly baseMaxAgeMs: number
  /** …and for so long where the adapter is so far from the base that noise cannot matter. */
  readonly baseRoughAgeMs: number
}

export interface AgentTimes {
  /** Load figures and the identity of the engine process. */
  readonly metricsEveryMs: number
  /** The engine's own list of adapters. */
  readonly modelsEveryMs: number
  /** A cold miss keeps its adapter so long after its last traffic. */
  readonly leaseMs: number
  readonly firstRetryMs: number
  readonly lastRetryMs: number
  readonly retiredIdleMs: number
  /** From the end of a name to the end of its files: measured harmless. */
  readonly keepFilesMs: number
  /** How long a load or a canary waits for a slot before another one has its turn. */
  readonly slotWaitMs: number
  /** I4: not below the pool's maxStreamSeconds. */
  readonly drainLimitMs: number
  /** For an engine that answers garbage. */
  readonly poisonDrainMs: number
  /** How often, and how long after a canary that was not finite, the base is asked. */
  readonly sentinelEveryMs: number
  readonly sentinelForMs: number
}

export interface AgentOptions {
  readonly replica: string
  readonly engine: Engine
  createClient(address: EngineAddress): EngineClient
  readonly adapters: AdapterShelf
  readonly maxLoras: number
  readonly maxCpuLoras: number
  readonly logger: Logger
  readonly clock?: Clock
  readonly canary?: Partial<CanarySettings>
  readonly times?: Partial<AgentTimes>
  readonly slots?: Partial<typeof slotDefaults>
  /** Whether another replica can serve while this one restarts for its ghosts. Default: no. */
  readonly canRestart?: () => boolean
  /** The engine needs a restart that is not ours to do: somebody else runs it. */
  readonly onRestartNeeded?: (reason: string) => void
}

export interface AgentSnapshot {
  readonly replica: string
  readonly engineProcess: string
  readonly engineVersion: string
  readonly simulated: boolean
  readonly ready: boolean
  readonly detail: string
  readonly draining: boolean
  readonly residency: ReadonlyMap<string, ResidencyState>
  readonly slots: { readonly total: number; readonly used: number; readonly waiting: number }
  readonly hostCache: {
    readonly capacity: number
    readonly registered: number
    readonly ghosts: number
  }
}

export interface Agent extends AgentLink {
  start(): void
  /** Ends everything of ours. The engine and what it has loaded stay. */
  close(): Promise<void>
  /** Takes a drain back. */
  undrain(): void
  snapshot(): AgentSnapshot
  /** True once no engine can still read these files: its name is gone, nothing of it is in flight, a minute passed. */
  mayDelete(digest: string): boolean
  /** For when room is short: content that is to be deleted now. It comes again with a request. */
  takeSpare(): string | undefined
}

export interface AgentSettings {
  readonly canary: CanarySettings
  readonly times: AgentTimes
  readonly slots: typeof slotDefaults
}

const defaultCanary: CanarySettings = {
  prompts: ['Hello', 'The sky is', 'def f('],
  sentinelPrompts: [
    'The quick brown fox jumps over',
    'Question: What is the capital of France?\nAnswer:',
    'def main():\n    print(',
  ],
  tokens: 4,
  logprobs: 5,
  baseMaxAgeMs: 1000,
  baseRoughAgeMs: 10_000,
}

const defaultTimes: AgentTimes = {
  metricsEveryMs: 500,
  modelsEveryMs: 5000,
  leaseMs: 60_000,
  firstRetryMs: 250,
  lastRetryMs: 30_000,
  retiredIdleMs: 600_000,
  keepFilesMs: 60_000,
  slotWaitMs: 30_000,
  drainLimitMs: 3_600_000,
  poisonDrainMs: 30_000,
  sentinelEveryMs: 5000,
  sentinelForMs: 120_000,
}

export function settingsOf(options: AgentOptions): AgentSettings {
  return {
    canary: { ...defaultCanary, ...options.canary },
    times: { ...defaultTimes, ...options.times },
    slots: { ...slotDefaults, ...options.slots },
  }
}

/** What its replica says of an engine that nobody has restarted yet. */
export const doubtWords = {
  base: 'The base model no longer answers as it did when its engine started.',
  ghosts: 'GhostsHigh: unloaded adapters fill the host cache of the engine; a restart frees it.',
} as const

/** Why an engine is restarted, as its replica says meanwhile. */
export const restartWords = {
  Ghosts: 'Unloaded adapters fill its host cache.',
  BaseChanged: 'Its base model no longer answers as it did at the start.',
} as const

import { keyOf } from '../api/metadata.ts'
import type { ModelPool } from '../api/model-pool.ts'
import { placelessOf } from '../core/autoscale-sample.ts'
import {
  adviseMaxLoras,
  observeSlots,
  type MaxLorasAdvice,
  type SlotHistory,
} from '../core/max-loras-advice.ts'
import {
  judgeSignals,
  keepSamples,
  type SignalProblem,
  type SignalSample,
} from '../core/signal-health.ts'
import type { PoolDemand } from './model-pool/autoscaler.ts'
import type { PoolReplicas, ReplicaState } from './model-pool/pool-replicas.ts'

/** What decisions about a pool go by, as others may want it too. */
export interface PoolSignal {
  readonly poolKey: string
  /** In gateways and engines alike. */
  readonly waiting: number
  readonly running: number
  /** Waiting for each ready replica, but not for an adapter; all that wait where none is ready. */
  readonly queueDepth: number
  readonly arrivalsPerSecond: number
  readonly ready: number
  readonly desired: number
  /** Why what is asked is not known, or not to be believed. */
  readonly trouble: string | undefined
}

export interface PoolSignalsOptions {
  readonly pools: () => ReadonlyMap<string, ModelPool>
  readonly replicas: Pick<PoolReplicas, 'states' | 'factsOf'>
  /** What gateways say; absent: there are none to ask. */
  readonly demandOf?: ((poolKey: string) => PoolDemand) | undefined
  /** A condition or an advice is another. */
  readonly onChange: () => void
  /** Monotonic milliseconds. */
  readonly now?: () => number
  readonly everyMs?: number
}

interface Line {
  samples: readonly SignalSample[]
  slots: SlotHistory | undefined
  advice: { readonly for: string; readonly said: MaxLorasAdvice; readonly atMs: number } | undefined
  problem: { readonly said: SignalProblem; readonly seenAtMs: number } | undefined
}

const lookEveryMs = 5000
/** An advice is thought over so often: it is for people, and each is a write. */
const adviseEveryMs = 3_600_000
/** A problem that was not seen for so long is over; traffic that pauses for a moment does not end it. */
const problemHeldMs = 120_000

/** Watches the signals of each pool: whether they can be believed, and what they say about its slots. */
export class PoolSignals {
  readonly #options: PoolSignalsOptions
  readonly #lines = new Map<string, Line>()
  readonly #now: () => number
  #timer: NodeJS.Timeout | undefined

  constructor(options: PoolSignalsOptions) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
  }

  start(): void {
    this.#timer = setInterval(() => this.look(), this.#options.everyMs ?? lookEveryMs).unref()
  }

  close(): void {
    clearInterval(this.#timer)
  }

  adviceOf(poolKey: string): MaxLorasAdvice | undefined {
    return this.#lines.get(poolKey)?.advice?.said
  }

  problemOf(poolKey: string): SignalProblem | undefined {
    return this.#lines.get(poolKey)?.problem?.said
  }

  /** Every pool's, as they are now. */
  all(): readonly PoolSignal[] {
    const states = Map.groupBy(this.#options.replicas.states(), ({ poolKey }) => poolKey)
    return [...this.#options.pools()].map(([poolKey, { spec }]) => {
      const replicas = (states.get(poolKey) ?? []).filter(({ ready }) => ready)
      const { waiting, cold, running, silence } = this.#options.demandOf?.(poolKey) ?? noDemand
      const inEngines = replicas.reduce((sum, { load }) => sum + (load?.waiting ?? 0), 0)
      const held = Math.min(inEngines, running)
      const placeless = placelessOf({ waiting, cold }) + held
      return {
        poolKey,
        waiting: waiting + held,
        running: running - held,
        queueDepth: replicas.length === 0 ? waiting : placeless / replicas.length,
        arrivalsPerSecond: arrivalsPerSecond(this.#lines.get(poolKey)?.samples ?? []),
        ready: replicas.length,
        desired: this.#options.replicas.factsOf(poolKey).desiredReplicas ?? spec.replicas,
        trouble: silence?.reason ?? this.problemOf(poolKey)?.reason,
      }
    })
  }

  look(): void {
    const nowMs = this.#now()
    const pools = this.#options.pools()
    const states = Map.groupBy(this.#options.replicas.states(), ({ poolKey }) => poolKey)
    let isOther = false
    for (const pool of pools.values()) {
      const poolKey = keyOf(pool.metadata)
      const line = this.#lineOf(poolKey)
      const ready = (states.get(poolKey) ?? []).filter((state) => state.ready)
      isOther = this.#judge(line, poolKey, ready, nowMs) || isOther
      isOther = this.#advise(line, pool, ready, nowMs) || isOther
    }
    for (const poolKey of this.#lines.keys()) {
      if (!pools.has(poolKey)) {
        this.#lines.delete(poolKey)
      }
    }
    if (isOther) {
      this.#options.onChange()
    }
  }

  #judge(line: Line, poolKey: string, ready: readonly ReplicaState[], nowMs: number): boolean {
    const { demandOf } = this.#options
    if (demandOf === undefined) {
      return false
    }
    const { waiting, running, arrivals, isFresh } = demandOf(poolKey)
    const engines = ready.map(({ load }) => load ?? noLoad)
    line.samples = keepSamples(line.samples, {
      atMs: nowMs,
      waiting,
      running,
      arrivals,
      isFresh,
      engines: engines.map((load) => ({
        running: load.running,
        waiting: load.waiting,
        kvCacheUsage: load.kvCacheUsage,
      })),
    })
    const before = line.problem
    const problem = judgeSignals(line.samples)
    if (problem !== undefined) {
      // The words of the first sight stay: numbers that change would be a write each.
      const said = before?.said.reason === problem.reason ? before.said : problem
      line.problem = { said, seenAtMs: nowMs }
    } else if (before !== undefined && nowMs - before.seenAtMs >= problemHeldMs) {
      line.problem = undefined
    }
    return before?.said !== line.problem?.said
  }

  #advise(line: Line, pool: ModelPool, ready: readonly ReplicaState[], nowMs: number): boolean {
    const used = ready.map(({ load }) => load?.adapters ?? load?.slots.used ?? 0)
    line.slots = observeSlots(line.slots, used, nowMs)
    const { maxLoras, maxRank } = pool.spec.lora
    const settings = `${maxLoras}/${maxRank}`
    const before = line.advice
    if (before?.for === settings && nowMs - before.atMs < adviseEveryMs) {
      return false
    }
    const advice = adviseMaxLoras(line.slots, { maxLoras, maxRank })
    if (advice === undefined) {
      return false
    }
    const isSame = before?.for === settings && before.said.maxLoras === advice.maxLoras
    line.advice = { for: settings, said: isSame ? before.said : advice, atMs: nowMs }
    return !isSame
  }

  #lineOf(poolKey: string): Line {
    const known = this.#lines.get(poolKey)
    if (known !== undefined) {
      return known
    }
    const line: Line = { samples: [], slots: undefined, advice: undefined, problem: undefined }
    this.#lines.set(poolKey, line)
    return line
  }
}

const noDemand: PoolDemand = {
  waiting: 0,
  running: 0,
  arrivals: 0,
  isFresh: false,
  silence: undefined,
}
const noLoad = { running: 0, waiting: 0, kvCacheUsage: 0 }

/** Over the last minute. */
function arrivalsPerSecond(samples: readonly SignalSample[]): number {
  const [first, last] = [samples[0], samples.at(-1)]
  return first === undefined || last === undefined || last.atMs === first.atMs
    ? 0
    : Math.max(0, last.arrivals - first.arrivals) / ((last.atMs - first.atMs) / 1000)
}

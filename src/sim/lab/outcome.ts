import type { LabRequest } from './lab-request.ts'
import type { LabRun } from './run-lab.ts'

/** What a caller is promised. */
export interface Objective {
  readonly ttftMs: number
  readonly tpotMs: number
}

/** Figures of one run; latencies in milliseconds, over requests that arrived after the warm-up. */
export interface Outcome {
  readonly policy: string
  readonly requests: number
  /** Ended. */
  readonly completed: number
  /** Part that met the objective, 0–1; what did not end did not. */
  readonly attainment: number
  /** Requests a second that arrived, from the warm-up to the last. */
  readonly offeredPerSecond: number
  /** Requests that met the objective, a second from the warm-up to the last arrival. */
  readonly goodPerSecond: number
  readonly ttftMeanMs: number
  readonly ttftP50Ms: number
  readonly ttftP99Ms: number
  /** Over answers of two tokens and more, as the others have no time between tokens. */
  readonly tpotMeanMs: number
  readonly tpotP99Ms: number
  readonly diskReads: number
  readonly meanActive: number
}

export function outcomeOf(run: LabRun, objective: Objective, warmUpMs: number): Outcome {
  const requests = run.requests.filter(({ arrivedMs }) => arrivedMs >= warmUpMs)
  const ended = requests.filter(({ endMs }) => !Number.isNaN(endMs))
  const streamed = ended.filter(({ outputTokens }) => outputTokens > 1)
  const ttfts = Float64Array.from(ended, ({ ttftMs }) => ttftMs).sort()
  const tpots = Float64Array.from(streamed, ({ tpotMs }) => tpotMs).sort()
  const good = ended.filter((request) => meets(request, objective)).length
  const seconds = Math.max(1, ((requests.at(-1)?.arrivedMs ?? 0) - warmUpMs) / 1000)
  return {
    policy: run.policy,
    requests: requests.length,
    completed: ended.length,
    attainment: good / Math.max(1, requests.length),
    offeredPerSecond: requests.length / seconds,
    goodPerSecond: good / seconds,
    ttftMeanMs: meanOf(ttfts),
    ttftP50Ms: quantileOf(ttfts, 0.5),
    ttftP99Ms: quantileOf(ttfts, 0.99),
    tpotMeanMs: meanOf(tpots),
    tpotP99Ms: quantileOf(tpots, 0.99),
    diskReads: run.diskReads,
    meanActive: run.meanActive,
  }
}

/** Whether an answer that ended came in time. */
export function meets({ ttftMs, tpotMs }: LabRequest, objective: Objective): boolean {
  return ttftMs <= objective.ttftMs && tpotMs <= objective.tpotMs
}

function meanOf(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)
}

/** Of sorted values, the least that this part of them does not exceed (nearest rank); 0 where there are none. */
export function quantileOf(values: Float64Array, part: number): number {
  return values[Math.max(0, Math.ceil(part * values.length) - 1)] ?? 0
}

import type { LabRequest } from './lab-request.ts'
import { meets, quantileOf, type Objective } from './outcome.ts'

/** Requests that arrived in one window of a run. */
export interface WindowFigures {
  /** The window's middle. */
  readonly atMs: number
  readonly arrivedPerSecond: number
  readonly goodPerSecond: number
  /** Milliseconds, over requests that ended. */
  readonly ttftP99Ms: number
  readonly tpotP99Ms: number
}

/** Enough for a line on a page. */
const mostWindows = 120

/** Figures by time of arrival, in windows of whole seconds; what is left at the end counts with the last one. */
export function windowsOf(
  requests: readonly LabRequest[],
  objective: Objective,
): readonly WindowFigures[] {
  const lastMs = requests.at(-1)?.arrivedMs ?? 0
  const widthMs = Math.max(1, Math.ceil(lastMs / mostWindows / 1000)) * 1000
  const count = Math.max(1, Math.floor(lastMs / widthMs))
  const windows: LabRequest[][] = Array.from({ length: count }, () => [])
  for (const request of requests) {
    windows[Math.min(count - 1, Math.floor(request.arrivedMs / widthMs))]?.push(request)
  }
  return windows.map((inside, at) => {
    const endMs = at === count - 1 ? Math.max(lastMs, widthMs) : (at + 1) * widthMs
    return figuresOf(inside, (at + 0.5) * widthMs, endMs - at * widthMs, objective)
  })
}

function figuresOf(
  requests: readonly LabRequest[],
  atMs: number,
  widthMs: number,
  objective: Objective,
): WindowFigures {
  const ended = requests.filter(({ endMs }) => !Number.isNaN(endMs))
  const ttfts = Float64Array.from(ended, ({ ttftMs }) => ttftMs).sort()
  const tpots = Float64Array.from(ended, ({ tpotMs }) => tpotMs).sort()
  return {
    atMs,
    arrivedPerSecond: (requests.length * 1000) / widthMs,
    goodPerSecond: (ended.filter((request) => meets(request, objective)).length * 1000) / widthMs,
    ttftP99Ms: quantileOf(ttfts, 0.99),
    tpotP99Ms: quantileOf(tpots, 0.99),
  }
}

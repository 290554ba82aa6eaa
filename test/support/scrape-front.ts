import type { Front } from './lab-replay.ts'
import type { LabRunRow } from './lab-runs.ts'

/** The source's sampler waits so long between two reads of `/metrics`, and samples were counted over so long. */
const sampleEveryMs = 2000
const countedMs = 3_200_000

/** About where the source's client stopped: open connections. */
const mostOutstanding = 25_000

/** Nothing in between: for what the engine alone decides. */
export const openFront: Front = {
  mostOutstanding,
  beyond: 'Lost',
  overheadMs: 0,
  passes: (nowMs) => nowMs,
}

/**
 * What callers of the source's runs saw. `vllm:lora_requests_info` gains a series with every new set of running adapters,
 * so each read of `/metrics` stalls the API server longer than the one before; nothing passes meanwhile, in or out. How
 * long it took on average follows from how many samples fitted into the hour. Grown linearly over the run, this gives
 * the gap between mean and median TTFT to a few milliseconds: a stall of s every 2 s costs s²/(2 s + s) on average.
 */
export function scrapeFront(row: LabRunRow, untilMs: number): Front {
  const meanStallMs = Math.max(0, countedMs / row.engineSamples - sampleEveryMs)
  const starts: number[] = []
  const ends: number[] = []
  for (let atMs = sampleEveryMs; atMs < untilMs;) {
    starts.push(atMs)
    const endMs = atMs + (2 * meanStallMs * atMs) / untilMs
    ends.push(endMs)
    atMs = endMs + sampleEveryMs
  }
  return { ...openFront, passes: (nowMs) => passing(starts, ends, nowMs) }
}

function passing(starts: readonly number[], ends: readonly number[], nowMs: number): number {
  let low = 0
  let high = starts.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((starts[middle] ?? Infinity) <= nowMs) {
      low = middle + 1
    } else {
      high = middle
    }
  }
  return Math.max(nowMs, ends[low - 1] ?? 0)
}

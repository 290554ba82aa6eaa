import { createRandom, cumulativeOf, drawIndex, exponential } from '../random.ts'
import type { Tape, TapeRequest } from '../tape.ts'
import type { Workload } from './workload.ts'

/** Percent of the requests for each of five adapters. */
const shares = [12, 12, 12, 12, 12, 6, 6, 6, 6, 6, 2, 2, 2, 2, 2]
const tokens = 1024

/** The regression test of llm-d for many adapters. */
export const threeClasses: Workload = {
  name: 'llm-d-15',
  summary: '15 adapters, five each with 12, 6 and 2 % of the requests, 1,024 tokens in and out',
  source:
    'llm-d-benchmark, multi-LoRA regression: 20–200 requests a second on 8 replicas of two GPUs with Qwen3-32B; --rates 1,2,…,10 makes its steps',
  knobs: { rate: 20, seconds: 300 },
  files: [],
  make({ knob, seed }): Tape {
    const rate = knob('rate') ?? 1
    const lastMs = (knob('seconds') ?? 1) * 1000
    const random = createRandom(seed)
    const weights = cumulativeOf(shares)
    const tape: TapeRequest[] = []
    for (let atMs = 0; ;) {
      atMs += (exponential(random) * 1000) / rate
      if (atMs > lastMs) {
        return tape
      }
      const adapter = `a${drawIndex(random, weights)}`
      tape.push({
        atMs,
        tenant: adapter,
        adapter,
        inputTokens: tokens,
        outputTokens: tokens,
        blocks: [],
      })
    }
  },
}

import { arrivalGap, createRandom, type Random } from '../random.ts'
import type { Tape, TapeRequest } from '../tape.ts'
import type { Workload } from './workload.ts'

const leastTokens = 8
const mostTokens = 512

/** S-LoRA's grid: popularity α, burstiness cv, number of adapters. */
export const sLora: Workload = {
  name: 's-lora',
  summary:
    'adapter ⌊N·X⌋ with X of Power(α), so that the top k have (k/N)^α: α = 1 is uniform and α = 0.1 gives the top one of 100 63 %; gamma gaps; 8–512 tokens in and out',
  source: 'S-LoRA, MLSys 2024, benchmarks/trace.py: α 0.1–1, cv 1–8, N 1–2,000',
  knobs: { adapters: 100, rate: 30, seconds: 300, alpha: 0.3, cv: 1 },
  files: [],
  make({ knob, seed }): Tape {
    const adapters = knob('adapters') ?? 1
    const rate = knob('rate') ?? 1
    const lastMs = (knob('seconds') ?? 1) * 1000
    const alpha = knob('alpha') ?? 1
    const cv = knob('cv') ?? 1
    const random = createRandom(seed)
    const tape: TapeRequest[] = []
    for (let atMs = 0; ;) {
      atMs += (arrivalGap(random, cv) * 1000) / rate
      if (atMs > lastMs) {
        return tape
      }
      const adapter = `a${Math.floor(adapters * random.next() ** (1 / alpha))}`
      const inputTokens = uniform(random)
      tape.push({
        atMs,
        tenant: adapter,
        adapter,
        inputTokens,
        outputTokens: uniform(random),
        blocks: [],
      })
    }
  },
}

function uniform(random: Random): number {
  return leastTokens + Math.floor(random.next() * (mostTokens - leastTokens + 1))
}

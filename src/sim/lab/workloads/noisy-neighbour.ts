import { createRandom, drawIndex } from '../random.ts'
import type { Tape } from '../tape.ts'
import { azureRows, type AzureRow } from './azure-rows.ts'
import { paced } from './paced.ts'
import type { Workload } from './workload.ts'
import { zipfWeights } from './zipf-weights.ts'

const licence = 'github.com/Azure/AzurePublicDataset, data/, CC-BY-4.0'

/** Azure's conversations, dealt out to tenants, beside its code completions as one tenant whose gaps have a CV of 13. */
export const noisyNeighbour: Workload = {
  name: 'azure',
  summary: 'Azure’s conversations over many tenants, its bursts of code completions as one more',
  source:
    'Azure LLM inference traces 2023: P. Patel et al., Splitwise, ISCA 2024. They name no users; tenants are drawn',
  knobs: { adapters: 64, zipf: 1, rate: 'recorded', seconds: 'recorded' },
  files: [
    { names: ['azure-llm-2023-conv.csv', 'AzureLLMInferenceTrace_conv.csv'], source: licence },
    { names: ['azure-llm-2023-code.csv', 'AzureLLMInferenceTrace_code.csv'], source: licence },
  ],
  make({ knob, files, seed }): Tape {
    const [talks = [], codes = []] = files.map((file, at) =>
      azureRows(new TextDecoder().decode(file), at === 0 ? 'the conversations' : 'the code'),
    )
    const random = createRandom(seed)
    const weights = zipfWeights(knob('adapters') ?? 1, knob('zipf') ?? 1)
    const startMs = Math.min(talks[0]?.atMs ?? Infinity, codes[0]?.atMs ?? Infinity)
    const entryOf = ({ atMs, ...lengths }: AzureRow, adapter: string): Tape[number] => ({
      atMs: atMs - startMs,
      tenant: adapter,
      adapter,
      ...lengths,
      blocks: [],
    })
    const tape = [
      ...talks.map((row) => entryOf(row, `a${drawIndex(random, weights)}`)),
      ...codes.map((row) => entryOf(row, 'code')),
    ].sort((left, right) => left.atMs - right.atMs)
    return paced(tape, knob('rate'), knob('seconds'))
  },
}

import { readFileSync } from 'node:fs'

export type Regime = 'stable' | 'queueing' | 'overloaded' | 'client_capped'

/** One hour of a real vLLM with adapters under a fixed load: what went in, and what was measured. */
export interface LabRunRow {
  readonly id: string
  readonly model: string
  readonly rank: number
  readonly slots: number
  readonly regime: Regime
  /** Requests a second of each adapter. */
  readonly rates: readonly number[]
  readonly durationS: number
  readonly meanInputTokens: number
  readonly meanOutputTokens: number
  /** How often the source's sampler read `/metrics` in seconds 300 to 3,500. */
  readonly engineSamples: number
  readonly outputTokensPerS: number
  readonly ttftMeanS: number
  readonly ttftP50S: number
  readonly tpotMeanMs: number
  readonly runningMean: number
  readonly waitingMean: number
}

/** Reads vllm-lora-runs.csv, or an excerpt with the same columns. */
export function readLabRuns(path: string): readonly LabRunRow[] {
  const [head = '', ...lines] = readFileSync(path, 'utf8').trim().split('\n')
  const columns = head.split(',')
  return lines.map((line) => {
    const cells = line.split(',')
    return rowOf((column) => cells[columns.indexOf(column)] ?? '')
  })
}

function rowOf(cell: (column: string) => string): LabRunRow {
  const number = (column: string): number => Number(cell(column))
  return {
    id: cell('run_id'),
    model: cell('model'),
    rank: number('max_lora_rank'),
    slots: number('max_loras'),
    regime: regimeOf(cell('regime')),
    rates: ratesOf(cell('adapter_rates_rps')),
    durationS: number('duration_s'),
    meanInputTokens: number('mean_input_tokens'),
    meanOutputTokens: number('mean_output_tokens'),
    engineSamples: number('engine_samples'),
    outputTokensPerS: number('throughput_out_tok_s'),
    ttftMeanS: number('ttft_mean_s'),
    ttftP50S: number('ttft_p50_s'),
    tpotMeanMs: number('tpot_mean_ms'),
    runningMean: number('running_mean'),
    waitingMean: number('waiting_mean'),
  }
}

function regimeOf(text: string): Regime {
  const regimes: readonly Regime[] = ['stable', 'queueing', 'overloaded', 'client_capped']
  const known = regimes.find((regime) => regime === text)
  if (known === undefined) {
    throw new Error(`unknown regime ${text}`)
  }
  return known
}

/** `0.1x43;0.05x2` is 43 adapters at 0.1 and 2 at 0.05 requests a second. */
function ratesOf(text: string): readonly number[] {
  return text.split(';').flatMap((part) => {
    const [rate, count] = part.split('x')
    return Array.from({ length: Number(count) }, () => Number(rate))
  })
}

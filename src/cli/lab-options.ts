import type { KnobValues } from './lab-tape.ts'
import { UserError } from '../errors.ts'
import { labEngine } from '../sim/lab/lab-engine.ts'
import type { Objective } from '../sim/lab/outcome.ts'
import type { ModelOptions } from '../sim/model-types.ts'
import { knobs } from '../sim/lab/workloads/workload.ts'
import { h100Llama8b, profileNamed, profiles } from '../sim/profile.ts'
import type { OptionValues } from './command.ts'
import { labRuleOptions } from './lab-rule-options.ts'

const knobOption = (summary: string) =>
  ({ type: 'string', summary, placeholder: 'number' }) as const

export const labOptions = {
  workload: { type: 'string', summary: 'Make the tape: one of --list, in place of a file' },
  adapters: knobOption('Of the workload: distinct adapters'),
  rate: knobOption('Of the workload: requests a second'),
  seconds: knobOption('Of the workload: how long it is'),
  zipf: knobOption('Of the workload: exponent of popularity, 0 is uniform'),
  alpha: knobOption('Of the workload s-lora: its popularity, 1 is uniform'),
  cv: knobOption('Of the workload: coefficient of variation of gaps, 1 is Poisson'),
  'period-seconds': knobOption('Of the workload flip: until popularity turns'),
  data: { type: 'string', summary: 'Folder with the traces that a workload reads' },
  ...labRuleOptions,
  replicas: {
    type: 'integer',
    summary: 'Engines; with a scaler at the start',
    minimum: 1,
    maximum: 1000,
    default: 8,
  },
  'max-loras': {
    type: 'integer',
    summary: 'GPU slots of an engine',
    minimum: 1,
    maximum: 4096,
    default: 32,
  },
  'max-cpu-loras': {
    type: 'integer',
    summary: 'Adapters in host memory of an engine; default: all of the tape',
    minimum: 1,
    maximum: 100_000,
  },
  'max-lora-rank': {
    type: 'integer',
    summary: 'Largest rank: slots of it are taken from the KV cache',
    minimum: 1,
    maximum: 512,
    default: 16,
  },
  'max-num-seqs': {
    type: 'integer',
    summary: 'Requests that an engine runs at once',
    minimum: 1,
    maximum: 100_000,
    default: 256,
  },
  'max-num-batched-tokens': {
    type: 'integer',
    summary: 'Tokens that a step computes at most',
    minimum: 1,
    maximum: 1_000_000,
    default: 2048,
  },
  profile: {
    type: 'string',
    summary: 'How long things take in an engine',
    choices: profiles.map(({ name }) => name),
    default: h100Llama8b.name,
  },
  'slo-ttft-ms': {
    type: 'integer',
    summary: 'Objective: milliseconds to the first token',
    minimum: 1,
    maximum: 10_000_000,
    default: 1000,
  },
  'slo-tpot-ms': {
    type: 'integer',
    summary: 'Objective: milliseconds between tokens, mean of a request',
    minimum: 1,
    maximum: 10_000_000,
    default: 50,
  },
  'warm-up-seconds': {
    type: 'integer',
    summary: 'Requests that arrive before count for nothing in the figures',
    minimum: 0,
    maximum: 10_000_000,
    default: 0,
  },
  rates: {
    type: 'string',
    summary: "Loads to play the tape at, times its own: '0.5,1,1.5'",
    default: '1',
  },
  seed: {
    type: 'integer',
    summary: 'Seeds workload and rules: the same seed, the same result',
    minimum: 0,
    maximum: 4_294_967_295,
    default: 1,
  },
  report: { type: 'string', summary: 'Write a report with charts', placeholder: 'file.svg' },
  'write-tape': { type: 'string', summary: 'Write the tape and stop', placeholder: 'file' },
  list: { type: 'boolean', summary: 'Print rules and workloads with their sources' },
  output: {
    type: 'string',
    short: 'o',
    summary: 'how figures are printed',
    choices: ['table', 'json'],
    default: 'table',
  },
} as const

export type LabOptionValues = OptionValues<typeof labOptions>

/** The number that each knob was given; the others are absent. */
export function knobValuesOf(options: LabOptionValues): KnobValues {
  return new Map(
    knobs.flatMap((name) => {
      const text = options[name]
      return text === undefined ? [] : [[name, numberOf(`--${name}`, text)] as const]
    }),
  )
}

export function loadsOf(text: string): readonly number[] {
  return [...new Set(text.split(',').map((load) => numberOf('--rates', load.trim())))]
}

export function objectiveOf(options: LabOptionValues): Objective {
  return { ttftMs: options['slo-ttft-ms'], tpotMs: options['slo-tpot-ms'] }
}

/** @param adapters distinct ones of the tape */
export function engineOf(options: LabOptionValues, adapters: number): ModelOptions {
  const maxLoras = options['max-loras']
  const maxCpuLoras = options['max-cpu-loras'] ?? Math.max(maxLoras, adapters)
  if (maxCpuLoras < maxLoras) {
    throw new UserError('--max-cpu-loras is below --max-loras; vLLM refuses that, too.', 2)
  }
  return labEngine({
    profile: profileNamed(options.profile) ?? h100Llama8b,
    maxLoras,
    maxCpuLoras,
    maxLoraRank: options['max-lora-rank'],
    maxNumSeqs: options['max-num-seqs'],
    maxNumBatchedTokens: options['max-num-batched-tokens'],
  })
}

/** A decimal above 0, or 0 for `--zipf`. */
function numberOf(where: string, text: string): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN
  if (!(value > 0 || (value === 0 && where === '--zipf'))) {
    throw new UserError(`${where} is ${JSON.stringify(text)}; write a number above 0.`, 2)
  }
  return value
}
